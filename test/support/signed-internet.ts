// Signed zones as servers have them: each of the root's addresses answers for all of them.
import { ShardnsError } from '../../lib/base/errors.js';
import type { AskServer } from '../../lib/resolve/recurse/options.js';
import { Class, Flag, Rcode, Type, typeName } from '../../lib/wire/iana.js';
import { encodeMessage } from '../../lib/wire/message.js';
import { nameToText } from '../../lib/wire/name.js';
import type { Query } from '../../lib/wire/query.js';
import { recordsOfAll, type Rrset } from '../../lib/wire/rrset.js';
import type { SignedTree } from './signed-tree.js';

export interface Said {
  rcode: number;
  answer: readonly Rrset[];
  authority: readonly Rrset[];
  additional?: readonly Rrset[];
}

export class SignedInternet {
  readonly asked: string[] = [];
  /** What a server says in place of the truth. */
  lie: ((said: Said, server: string, name: string, type: number) => Said | undefined) | undefined;
  /** Whether a server keeps silent. */
  silent: (server: string, name: string, type: number) => boolean = () => false;

  constructor(readonly tree: SignedTree) {}

  readonly ask: AskServer = (question, server) => {
    const { address } = server.at;
    const { name, type } = question;
    const text = nameToText(name);
    this.asked.push(`${text} ${typeName(type)} ${address}`);
    if (this.silent(address, text, type)) {
      return Promise.reject(new ShardnsError('ERR_SHARDNS_TIMEOUT', `${address} is silent`));
    }
    const truth = this.tree.answer(name, type);
    const said = this.lie?.(truth, address, text, type) ?? truth;
    return Promise.resolve(
      encodeMessage({
        id: 0,
        flags: Flag.QR | Flag.AA | said.rcode,
        question: { name, type, dnsClass: Class.IN },
        answers: recordsOfAll(said.answer, true),
        authorities: recordsOfAll(said.authority, true),
        additionals: [],
      })!,
    );
  };
}

/** What a resolver that does not validate, or one that says AD of what is signed, answers a query out of signed zones. */
export function answerOf(
  tree: SignedTree,
  query: Query,
  { lie = said => said, ad = () => false }: { lie?: (said: Said) => Said; ad?: (query: Query) => boolean } = {},
): Uint8Array {
  const { message, name, type, questionEnd } = query;
  const { rcode, answer, authority, additional = [] } = lie(tree.answer(name, type));
  return encodeMessage({
    id: (message[0] << 8) | message[1],
    flags: Flag.QR | Flag.RD | Flag.RA | (ad(query) ? Flag.AD : 0) | rcode,
    question: { name: message.slice(12, questionEnd - 4), type, dnsClass: Class.IN },
    answers: recordsOfAll(answer, query.dnssecOk),
    authorities: recordsOfAll(authority, query.dnssecOk),
    additionals: recordsOfAll(additional, query.dnssecOk),
  })!;
}

/** Another address in the first record, which nobody signed. */
export function tampered(said: Said): Said {
  const [first, ...others] = said.answer;
  if (first?.type !== Type.A) return said;
  return { ...said, rcode: Rcode.NOERROR, answer: [{ ...first, data: [Uint8Array.of(6, 6, 6, 6)] }, ...others] };
}

/** As resolvers answer that know nothing of DO: without signatures, and without the proof of what they deny. */
export function stripped(said: Said): Said {
  const bare = (list: Said['answer']): Said['answer'] =>
    list.filter(one => one.type !== Type.NSEC).map(one => ({ ...one, signatures: [] }));
  return { ...said, answer: bare(said.answer), authority: bare(said.authority) };
}
