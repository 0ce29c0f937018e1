// Step: what a question for AAAA comes to where clients reach IPv4 through a translator (DNS64, RFC 6147). Built-in zones, the
// recursor or upstreams are asked for AAAA; where there is none, the name is asked for A as a question of its own, and its
// addresses are told as translated ones. An answer without AAAA is held back until then, so that nobody is told it
// meanwhile. The reverse name of a translated address is an alias of that of the IPv4 address.
//
// Bound: one more question for each.
import { NO_EXTENDED_ERROR } from '../../native/binding.js';
import { flagsOf, headerRcode } from '../../wire/flags.js';
import { Class, ExtendedError, Flag, Rcode, Type } from '../../wire/iana.js';
import { buildResponse, decodeMessage, MAX_RESPONSE_RECORDS } from '../../wire/message.js';
import type { Query } from '../../wire/query.js';
import { type Flyer, isKept, variantOf, withType } from '../asker.js';
import type { Dns64 } from '../dns64.js';
import type { Outcome } from '../outcome.js';
import { followAlias } from './alias.js';
import type { StepParts } from './step.js';

/** An answer without addresses, as it was found. */
interface HeldAnswer {
  readonly message: Uint8Array;
  /** It was validated here. */
  readonly isJudged: boolean;
  /** Keeps it, and tells it as it is. */
  readonly tell: () => Outcome;
}

/** Where the negative answer has no SOA (RFC 6147 section 5.1.7). */
const MOST_SECONDS_WITHOUT_SOA = 600;
/** The same where it failed: a failure is asked about again sooner than that (RFC 8767 section 5). */
const MOST_SECONDS_AFTER_FAILURE = 30;

/** Two names of the root and five numbers (RFC 1035 section 3.3.13). */
const LEAST_SOA_OCTETS = 22;

/** One question's answer on its way from where it is found to where it would be kept. */
export class Translation {
  held: HeldAnswer | undefined;

  constructor(readonly dns64: Dns64) {}

  /** A response without addresses that count as none; undefined where it cannot be read. */
  shown(octets: Uint8Array): Uint8Array | undefined {
    return this.#look(octets)?.message;
  }

  /** Holds an answer without addresses back. @returns what to go on with; undefined: it is told as it is */
  hold(found: HeldAnswer): Outcome | undefined {
    if (headerRcode(found.message) !== Rcode.NOERROR || this.#look(found.message)?.isEmpty !== true) return undefined;
    this.held = found;
    return { kind: 'message', message: found.message, extendedError: NO_EXTENDED_ERROR };
  }

  #look(octets: Uint8Array): ReturnType<Dns64['shown']> {
    try {
      return this.dns64.shown(octets);
    } catch {
      return undefined;
    }
  }
}

/** @param find what the question comes to, for an asker that has the translation */
export function translate(
  query: Query,
  asker: Flyer,
  parts: StepParts,
  find: (asker: Flyer) => Promise<Outcome>,
): Promise<Outcome> | undefined {
  const { dns64 } = parts.context.options;
  if (dns64 === undefined) return undefined;
  const reverse = dns64.reverseOf(query, asker.tenant);
  if (reverse !== undefined) {
    parts.context.stats.dns64Pointers++;
    return followAlias(query, asker, reverse, parts);
  }
  if (!dns64.translates(query, asker.tenant)) return undefined;
  return answer(query, asker, parts, { translation: new Translation(dns64), find });
}

async function answer(
  query: Query,
  asker: Flyer,
  parts: StepParts,
  { translation, find }: { translation: Translation; find: (asker: Flyer) => Promise<Outcome> },
): Promise<Outcome> {
  const { flight, client, tenant, decided, depth, protocol, part, fresh, parent } = asker;
  const outcome = await find({ flight, client, tenant, decided, depth, protocol, part, fresh, parent, translation });
  const { held } = translation;
  // Errors of servers that do not know AAAA are many (RFC 4074): they count as no address (RFC 6147 section 5.1.2). What does
  // not prove itself does not (section 5.5), nor what we have refused or had no room for.
  const failed = outcome.kind === 'failed' && !outcome.ours && outcome.isBogus !== true && !isBlocked(outcome);
  if (held === undefined && !failed) return outcome;
  const asIs = (): Outcome => held?.tell() ?? outcome;
  const asked = withType(query, Type.A);
  const { context, engine, keep } = parts;
  const found = await context.follow(asked, {
    protocol: 'internal',
    client,
    tenant,
    decided,
    depth,
    fresh,
    parent: flight,
  });
  if (found.kind === 'moved') return { kind: 'moved', tenant: found.tenant };
  // Whether there are addresses to be translated is not known: no denial of them is told.
  if (found.kind === 'error') return failed ? outcome : found;
  let octets: Uint8Array;
  if (found.kind === 'message') octets = found.message;
  else {
    const length = engine.answer(asked.message, { allowStale: true, tenant, counts: 'nothing' });
    if (length <= 0) return asIs();
    octets = engine.reply.slice(0, length);
  }
  const rcode = headerRcode(octets);
  if (rcode === Rcode.NXDOMAIN) return asIs();
  // A failure that is remembered.
  if (rcode !== Rcode.NOERROR)
    return failed ? outcome : { kind: 'error', rcode, extendedError: ExtendedError.cachedError };
  const known = isKept(query) ? engine.peek(asked.name, asked.type, variantOf(asked, tenant)) : undefined;
  // With AD, as it is kept.
  if (found.kind === 'cached' && known !== undefined) octets = known.message;
  let made: { message: Uint8Array; mostSeconds: number } | undefined;
  try {
    made = translatedResponse(query, translation, octets);
  } catch {
    // What cannot be read has no addresses.
  }
  if (made === undefined) return asIs();
  context.stats.dns64Answers++;
  const scoped = context.options.forwardClientSubnet && query.clientSubnet !== undefined;
  // Nor is what is stale of the addresses, or may not be kept, kept as translated.
  if (scoped || known === undefined || known.remainingSeconds <= 0) {
    if (!scoped) keep.end(query, asker);
    const extendedError =
      known !== undefined && known.remainingSeconds <= 0 ? ExtendedError.staleAnswer : NO_EXTENDED_ERROR;
    return { kind: 'message', message: made.message, extendedError };
  }
  return keep.own(query, asker, made.message, Math.min(known.remainingSeconds, made.mostSeconds) * 1000);
}

const isBlocked = ({ extendedError }: { extendedError: number }): boolean => extendedError === ExtendedError.blocked;

/**
 * @param octets the response to the question for A
 * @returns undefined where there is no address to be translated
 * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for what cannot be read
 */
function translatedResponse(
  query: Query,
  { held, dns64 }: Translation,
  octets: Uint8Array,
): { message: Uint8Array; mostSeconds: number } | undefined {
  const { answers: found } = decodeMessage(octets, MAX_RESPONSE_RECORDS);
  const mostSeconds =
    held === undefined ? MOST_SECONDS_AFTER_FAILURE : (deniedSeconds(held) ?? MOST_SECONDS_WITHOUT_SOA);
  const answers = dns64.translatedAnswers(found, mostSeconds);
  const authenticData = held?.isJudged === true && (flagsOf(held.message) & flagsOf(octets) & Flag.AD) !== 0;
  const message = answers && buildResponse(query, { rcode: Rcode.NOERROR, answers, authenticData });
  return message && { message, mostSeconds };
}

/** How long it holds that there is no address (RFC 2308 section 5); undefined without SOA. */
function deniedSeconds({ message }: HeldAnswer): number | undefined {
  // The data of a record of another class is not checked where a message is taken apart.
  const soa = decodeMessage(message, MAX_RESPONSE_RECORDS).authorities.find(
    ({ type, dnsClass, data }) => type === Type.SOA && dnsClass === Class.IN && data.length >= LEAST_SOA_OCTETS,
  );
  if (soa === undefined) return undefined;
  const { data, ttl } = soa;
  return Math.min(ttl, new DataView(data.buffer, data.byteOffset, data.length).getUint32(data.length - 4));
}
