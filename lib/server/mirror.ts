// A share of what clients ask, sent to another server once they were answered, whose answers are compared with ours: before a
// change of resolver, or beside one. Copies come from the native plane (native/udp/copies.h), hits and misses alike; what is sent
// is the question alone, without the client's own options. No client waits for it, or gets anything of it.
//
// Bounds: COPY_OCTETS of copies that wait, looked at every TICK_MS; `mirror.maxUnderWay` questions at the other server, those
// beyond are left out and counted; MAX_DIFFERENCES are kept for whoever looks.
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { canonicalData } from '../dnssec/canonical.js';
import { DURATION_BUCKETS, COPY_OCTETS, CopyRecord } from '../native/binding.js';
import { buildUpstreamQuery } from '../resolve/upstream-query.js';
import { parseUpstream, type UpstreamPlace } from '../upstream/upstream-url.js';
import { isTruncated } from '../wire/flags.js';
import { Class, rcodeName, Type, typeName } from '../wire/iana.js';
import { DecodedResponse, MAX_RESPONSE_RECORDS, rcodeOf } from '../wire/message.js';
import { foldName, nameKey } from '../wire/name.js';
import { Query } from '../wire/query.js';
import type { UdpPlane } from './listeners/udp-plane.js';
import type { MirrorSettings } from './settings/mirror.js';
import type { ServerSettings } from './settings/settings.js';
import type { Transports } from './transports.js';

const TICK_MS = 20;
const MAX_DIFFERENCES = 100;
/** RFC 9715 section 3.1. */
const UDP_SIZE = 1232;

export type Verdict = 'same' | 'rcode' | 'answers' | 'truncated' | 'unreadable';

export interface Difference {
  /** Unix time in seconds. */
  readonly atSeconds: number;
  readonly name: string;
  readonly type: string;
  readonly what: 'rcode' | 'answers';
  readonly here: string;
  readonly there: string;
}

export interface MirrorReport {
  readonly to: string;
  /** Copies that were taken; those for which there was no room. */
  readonly sampled: number;
  readonly left: number;
  readonly underWay: number;
  /** Questions that the other server has answered; those that it has not, in time or at all. */
  readonly answered: number;
  readonly late: number;
  readonly failed: number;
  /** What came of comparing, where that is wanted. */
  readonly compared: Readonly<Record<Verdict, number>>;
  /** `counts[i]` took less than 2^i microseconds: to our reply, and to the other's. */
  readonly durations: Readonly<
    Record<'here' | 'there', { readonly counts: readonly number[]; readonly sumSeconds: number }>
  >;
}

export interface MirrorParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly transports: Transports;
  plane(): Pick<UdpPlane, 'copy' | 'drainCopies'> | undefined;
}

class Durations {
  readonly counts = new Array<number>(DURATION_BUCKETS).fill(0);
  sumSeconds = 0;
  add(us: number): void {
    this.counts[Math.min(DURATION_BUCKETS - 1, Math.ceil(Math.log2(us + 1)))]++;
    this.sumSeconds += us / 1e6;
  }
}

/** What is counted of one other server, from when it is asked. */
class Counts {
  sampled = 0;
  left = 0;
  underWay = 0;
  answered = 0;
  late = 0;
  failed = 0;
  readonly compared: Record<Verdict, number> = { same: 0, rcode: 0, answers: 0, truncated: 0, unreadable: 0 };
  readonly durations = { here: new Durations(), there: new Durations() };
}

export class Mirror {
  #settings: MirrorSettings | undefined;
  #place: UpstreamPlace | undefined;
  #counts = new Counts();
  #buffer: Buffer | undefined;
  #copying: ReturnType<MirrorParts['plane']>;
  #timer: Timer | undefined;
  /** The last ones, oldest first. */
  readonly differences: Difference[] = [];

  constructor(private readonly parts: MirrorParts) {}

  get report(): MirrorReport | undefined {
    if (this.#settings === undefined) return undefined;
    const { compared, durations, ...counts } = this.#counts;
    const copy = ({ counts: all, sumSeconds }: Durations) => ({ counts: [...all], sumSeconds });
    return {
      to: this.#settings.to,
      ...counts,
      compared: { ...compared },
      durations: { here: copy(durations.here), there: copy(durations.there) },
    };
  }

  /** Settings that are in force. */
  use({ mirror }: Pick<ServerSettings, 'mirror'>): void {
    const before = this.#settings;
    this.#settings = mirror;
    if (mirror === undefined) {
      this.#stop();
      return;
    }
    if (mirror.to !== before?.to) {
      // Of another server nothing is known.
      this.#counts = new Counts();
      this.differences.length = 0;
      this.#place = parseUpstream(mirror.to, 'mirror.to');
    }
    this.#copying?.copy(shareOf(mirror));
    if (this.#timer === undefined) this.#schedule();
  }

  close(): void {
    this.#settings = undefined;
    this.#stop();
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#copying?.copy(0);
    this.#copying = undefined;
    this.#buffer = undefined;
  }

  #schedule(): void {
    this.#timer = this.parts.clock.after(TICK_MS, () => {
      this.#take();
      this.#schedule();
    });
  }

  /** What was copied since the last time. */
  #take(): void {
    const plane = this.parts.plane();
    if (plane !== this.#copying) {
      // Another one has taken its place, with other listeners.
      this.#copying = plane;
      plane?.copy(shareOf(this.#settings!));
    }
    if (plane === undefined) return;
    const buffer = (this.#buffer ??= Buffer.alloc(COPY_OCTETS));
    const octets = plane.drainCopies(buffer);
    for (let at = 0; at < octets;) {
      const query = at + CopyRecord.octets;
      const reply = query + buffer.readUInt16LE(at + CopyRecord.queryLength);
      const end = reply + buffer.readUInt16LE(at + CopyRecord.replyLength);
      const tookUs = buffer.readUInt32LE(at + CopyRecord.tookUs);
      this.#ask(buffer.subarray(query, reply), buffer.subarray(reply, end), tookUs);
      at = (end + 3) & ~3;
    }
  }

  #ask(message: Uint8Array, reply: Uint8Array, tookUs: number): void {
    const counts = this.#counts;
    counts.sampled++;
    const query = readQuery(message);
    if (query === undefined || counts.underWay >= this.#settings!.maxUnderWay) {
      counts.left++;
      return;
    }
    const own = Uint8Array.from(reply);
    const { clock, transports } = this.parts;
    const { scheme, at } = this.#place!;
    const { timeoutMs } = this.#settings!;
    const beganMs = clock.nowMs();
    counts.underWay++;
    counts.durations.here.add(tookUs);
    try {
      transports[scheme].ask(
        buildUpstreamQuery(query, { upstreamUdpSize: UDP_SIZE }),
        at!,
        { timeoutMs, letters: 'kept', entropy: 'any' },
        {
          answered: other => {
            counts.underWay--;
            counts.answered++;
            counts.durations.there.add((clock.nowMs() - beganMs) * 1000);
            if (this.#settings?.compare === true) this.#compare(counts, query, own, other);
          },
          lost: error => {
            counts.underWay--;
            counts[error.code === 'ERR_SHARDNS_TIMEOUT' ? 'late' : 'failed']++;
          },
          doubted: () => {},
        },
      );
    } catch {
      // A socket that cannot be had: this is a timer's turn, whose copies all go on.
      counts.underWay--;
      counts.failed++;
    }
  }

  #compare(counts: Counts, query: Query, here: Uint8Array, there: Uint8Array): void {
    const { verdict, texts } = compareReplies(here, there);
    counts.compared[verdict]++;
    if (verdict !== 'rcode' && verdict !== 'answers') return;
    const [name, type] = [query.nameText, typeName(query.type)];
    const difference = { name, type, what: verdict, here: texts[0], there: texts[1] };
    this.differences.push({ atSeconds: this.parts.clock.wallSeconds(), ...difference });
    if (this.differences.length > MAX_DIFFERENCES) this.differences.shift();
    this.parts.log.debug(difference, 'the other server of `mirror` says something else');
  }
}

/** Of 2^32. */
const shareOf = ({ share }: MirrorSettings): number => Math.max(1, Math.round(share * 0xffff_ffff));

/** One that another server can be asked as well: of class IN, and none that only its answer tells apart. */
function readQuery(message: Uint8Array): Query | undefined {
  try {
    const query = new Query(Uint8Array.from(message));
    return query.dnsClass === Class.IN ? query : undefined;
  } catch {
    return undefined;
  }
}

/** @returns the verdict, and where they differ what each says */
export function compareReplies(here: Uint8Array, there: Uint8Array): { verdict: Verdict; texts: [string, string] } {
  const verdictOf = (verdict: Verdict, texts: [string, string] = ['', '']) => ({ verdict, texts });
  if (isTruncated(here) || isTruncated(there)) return verdictOf('truncated');
  const read = (message: Uint8Array): { rcode: number; answers: Set<string> } => {
    const response = new DecodedResponse(message, MAX_RESPONSE_RECORDS);
    return { rcode: rcodeOf(response), answers: answersOf(response) };
  };
  let both: ReturnType<typeof read>[];
  try {
    both = [read(here), read(there)];
  } catch {
    return verdictOf('unreadable');
  }
  const [ours, theirs] = both;
  if (ours.rcode !== theirs.rcode) return verdictOf('rcode', [rcodeName(ours.rcode), rcodeName(theirs.rcode)]);
  const [our, their] = [ours.answers, theirs.answers];
  const only = (some: ReadonlySet<string>, others: ReadonlySet<string>): string =>
    `${some.size} records, ${[...some].filter(one => !others.has(one)).length} of them here only`;
  if (our.size === their.size && [...our].every(one => their.has(one))) return verdictOf('same');
  return verdictOf('answers', [only(our, their), only(their, our)]);
}

/** Each record as one text, without its TTL; signatures differ from one signing to the next. */
function answersOf({ answers }: DecodedResponse): Set<string> {
  const texts = answers
    .filter(({ type }) => type !== Type.RRSIG)
    .map(({ name, type, dnsClass, data }) => {
      const [canonical] = canonicalData(type, [data]);
      return `${nameKey(foldName(name))} ${type} ${dnsClass} ${Buffer.from(canonical).toString('latin1')}`;
    });
  return new Set(texts);
}
