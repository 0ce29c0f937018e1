// Which rule of which list decides what a client is told of a name: of the name itself, or of the answer that is in the
// cache, whose aliases, addresses and servers lists may name.
import type { ListVerdict } from '../server/block-lists.js';
import type { Server } from '../server/server.js';
import { flagsOf } from '../wire/flags.js';
import { Flag, Type, typeName } from '../wire/iana.js';
import { decodeMessage } from '../wire/message.js';
import { nameToText } from '../wire/name.js';

export interface Why {
  name: string;
  client?: string;
  pausedSeconds: number;
  rule: ListVerdict | null;
  /** What would decide if it was another time. */
  otherTimes: (ListVerdict & { times: string }) | null;
  /** What is said of answers, where nothing is said of the name. */
  answers: (ListVerdict & { type: string; of: string })[];
  /** Types of which an answer is in the cache, and was looked at; null: it decides nothing, or whose is not known. */
  judged: string[] | null;
}

export interface WhyRequest {
  /** Folded wire format. */
  name: Uint8Array;
  type: number | undefined;
  client: string | undefined;
}

export function whyOf({ clientRules, engine }: Server, { name, type, client }: WhyRequest): Why {
  const rule = clientRules.why(name, client) ?? null;
  const tenant = clientRules.tagOf(client);
  const answers: Why['answers'] = [];
  let judged: Why['judged'] = null;
  // Who allows a name allows what it leads to, and one that is blocked leads nowhere.
  if (rule === null && tenant !== undefined) {
    judged = [];
    for (const one of type === undefined ? [Type.A, Type.AAAA, Type.HTTPS] : [type]) {
      for (const dnssecOk of [false, true]) {
        const kept = engine.peek(name, one, { dnssecOk, checkingDisabled: false, tenant });
        // What is known here of one's own names is not judged.
        if (kept === undefined || (flagsOf(kept.message) & Flag.AA) !== 0) continue;
        if (!judged.includes(typeName(one))) judged.push(typeName(one));
        const found = clientRules.whyOfAnswer(kept.message, client);
        if (found === undefined) continue;
        const { kept: records, ...verdict } = found;
        const last = decodeMessage(kept.message).answers[records - 1];
        answers.push({ ...verdict, type: typeName(one), of: nameToText(last?.type === Type.CNAME ? last.data : name) });
        break;
      }
    }
  }
  return {
    name: nameToText(name),
    client,
    pausedSeconds: Math.ceil(clientRules.lists.pausedSeconds),
    rule,
    otherTimes: (rule === null && clientRules.whyAtTimes(name, client)) || null,
    answers,
    judged,
  };
}
