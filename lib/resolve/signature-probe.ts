// Whether one server that others are asked through passes on what answers prove themselves by (RFC 8027 section 3.1): asked, and
// what it says compared. When that is done and what follows is for those who validate behind forwarders: a server
// (server/signature-probes.ts), and a program (node/signature-watch.ts).
//
// Bounds: three questions a probe, and one more for each that shows something missing: one packet that somebody has forged
// is not enough.
import type { Canceller } from '../base/cancel.js';
import { below, type Random } from '../base/random.js';
import { missingIn, type Shown, signatureQuestions } from '../dnssec/signature-questions.js';
import type { TrustAnchors } from '../dnssec/trust.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { rcodeName, typeName } from '../wire/iana.js';
import { decodeMessage, MAX_RESPONSE_RECORDS, rcodeOf } from '../wire/message.js';
import { isAtOrBelow } from '../wire/name.js';
import { buildServerQuery } from './upstream-query.js';

/** For so long one that leaves signatures out is passed over, unless nobody else is left. */
export const MISSING_MS = 3_600_000;

/** Where nobody is left that passes signatures on: asked again after 1, 2, 4 and up to 60 seconds. */
export const lostPatienceMs = (failures: number): number => Math.min(60_000, 1000 * 2 ** Math.max(0, failures - 1));

export interface Probed {
  readonly upstream: Upstream;
  /** The zone that is known to be signed: `anchorToAskFor`. */
  readonly anchor: Uint8Array;
  /** Asked without datagrams. */
  readonly tcp: boolean;
}

export interface ProbeWay {
  readonly exchanger: Exchanger;
  readonly random: Random;
  /** Octets of a response over UDP. */
  readonly udpSize: number;
  /** Of each question. */
  readonly timeoutMs: number;
  readonly cancel: Canceller;
}

/** What a probe has found. */
export interface Found {
  signatures: 'passed on' | 'left out' | 'not answered';
  /** What was left out, or said in the place of an answer. */
  reason: string | undefined;
}

/**
 * The zone of the shortest anchor at or below a zone: of the zone above it another server's word counts.
 * @returns undefined where there is none
 */
export function anchorToAskFor(anchors: TrustAnchors, zone: Uint8Array): Uint8Array | undefined {
  const inside = anchors.all.map(one => one.zone).filter(one => isAtOrBelow(one, zone));
  return inside.length === 0 ? undefined : inside.reduce((a, b) => (b.length < a.length ? b : a));
}

/** @throws rejected: {ShardnsError} where it does not answer, or not with a DNS message */
export async function probeSignatures(probed: Probed, way: ProbeWay): Promise<Found> {
  let found: Found = { signatures: 'passed on', reason: undefined };
  for (const question of signatureQuestions(probed.anchor, labelOf(way.random))) {
    let shown = await ask(probed, question, way);
    let missing = missingIn(question, shown);
    if (missing !== undefined && missing !== 'unknown') {
      const { again } = question;
      shown = await ask(probed, again, way);
      const second = missingIn(again, shown);
      if (second === undefined || second === 'unknown') missing = second;
    }
    if (missing === 'unknown') {
      const reason = `answers ${rcodeName(shown.rcode)} to questions for ${typeName(question.type)} records`;
      if (found.signatures === 'passed on') found = { signatures: 'not answered', reason };
    } else if (missing !== undefined) return { signatures: 'left out', reason: missing };
  }
  return found;
}

async function ask(
  { upstream, tcp }: Probed,
  { name, type }: { name: Uint8Array; type: number },
  { exchanger, udpSize, timeoutMs, cancel }: ProbeWay,
): Promise<Shown> {
  const flags = { recursionDesired: true, dnssecOk: true, checkingDisabled: true };
  const query = buildServerQuery({ name, type, ...flags }, udpSize);
  const patience = { timeoutMs, cancel };
  upstream.inFlight++;
  try {
    const octets = await (tcp ? exchanger.askTcp(query, upstream, patience) : exchanger.ask(query, upstream, patience));
    const message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
    return { rcode: rcodeOf(message), answers: message.answers, authorities: message.authorities };
  } finally {
    upstream.release();
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const LABEL_SIZE = 12;
const labelOf = (random: Random): string =>
  Array.from({ length: LABEL_SIZE }, () => LETTERS[below(random, LETTERS.length)]).join('');
