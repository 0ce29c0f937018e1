// The one place through which answered queries pass as records, on their way to those who watch: the query log, top lists,
// dnstap. What is answered in JavaScript is told when it is; what native threads answer, misses of the UDP plane among it,
// they write into rings of theirs (native/udp/tap.h), which are emptied here in batches.
//
// While nobody watches nothing is told, and nothing is paid for it but a branch.
//
// Bounds: those of the native rings, where what finds no room is dropped and counted; MAX_UPSTREAMS names of upstreams;
// DRAINS batches of DRAIN_OCTETS a tick.
import { addressOctets, isMapped } from '../../base/address.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import {
  AnsweredBy,
  binding,
  type NativeTap,
  pinnedMemory,
  readTapStats,
  TAP_NOTES,
  TapField,
} from '../../native/binding.js';
import { answeredBy } from '../../resolve/answered.js';
import type { Flight } from '../../resolve/flights.js';
import type { Moved, Resolution } from '../../resolve/outcome.js';
import { type Protocol, PROTOCOLS } from '../listeners/protocols.js';
import { TapRecord, type Watcher } from './record.js';

const DRAIN_MS = 100;
const DRAIN_OCTETS = 2 ** 18;
const DRAINS = 16;
/** Names of upstreams that records say; those beyond have none. */
const MAX_UPSTREAMS = 4096;
const NO_CLIENT = new Uint8Array(0);

export interface TapParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Milliseconds of Unix time. */
  readonly wallMs: () => number;
}

export interface TapReport {
  /** Somebody watches. */
  readonly on: boolean;
  /** Told since the start, and dropped for want of room. */
  readonly records: number;
  readonly dropped: number;
  readonly memoryBytes: number;
}

/** A query that is being answered in JavaScript, and what is known of it meanwhile. */
export class Answering {
  by: number = AnsweredBy.failed;
  flight: Flight | undefined;

  constructor(
    readonly protocol: Protocol,
    readonly client: { readonly address: string; readonly port: number },
  ) {}

  /** What it came to. @param said what the engine says of the reply that it wrote last: lists and rates may replace it */
  cameTo(found: Resolution | Moved, said: number): void {
    const isReplaced = said === AnsweredBy.stale || said === AnsweredBy.blocked || said === AnsweredBy.refused;
    this.by = isReplaced ? said : answeredBy(found, this.flight);
  }
}

export class Tap {
  readonly native: NativeTap;
  /** Whether anybody watches: to be asked before anything is told. */
  on = false;
  readonly #watchers = new Set<Watcher>();
  readonly #numbers = new Map<string, number>();
  readonly #upstreams = [''];
  #notes: Uint32Array | undefined;
  #buffer: Buffer | undefined;
  #timer: Timer | undefined;
  #hitsOneIn = 0;
  #own = 0;
  #closed = false;

  constructor(private readonly parts: TapParts) {
    this.native = binding().createTap(parts.random.uint32());
  }

  get report(): TapReport {
    const { written, dropped, memoryBytes } = readTapStats(this.native);
    return { on: this.on, records: written + this.#own, dropped, memoryBytes };
  }

  /** @param hitsOneIn of what native threads answer by themselves; 0: none */
  use(hitsOneIn: number): void {
    this.#hitsOneIn = hitsOneIn;
    this.#apply();
  }

  /** @returns what ends it */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    this.#apply();
    return () => {
      // What was answered before is still its.
      if (this.#watchers.has(watcher)) this.drain();
      this.#watchers.delete(watcher);
      this.#apply();
    };
  }

  close(): void {
    if (this.#closed) return;
    this.drain();
    this.#closed = true;
    this.#watchers.clear();
    this.#apply();
  }

  /** Before a flight of the plane is answered: how, and by whom. */
  note(ticket: number, by: number, upstream: string | undefined): void {
    if (!this.on) return;
    const at = 2 * (ticket & 0xffff);
    this.#notes![at] = ticket;
    this.#notes![at + 1] = by | (this.#numberOf(upstream) << 16);
  }

  /** A query was answered in JavaScript. @param reply read before this returns */
  answered({ protocol, client, by, flight }: Answering, latencyUs: number, reply: Uint8Array): void {
    if (!this.on) return;
    this.#own++;
    this.#tell({
      atMs: this.parts.wallMs(),
      latencyUs,
      client: clientOctets(client.address),
      port: client.port,
      protocol,
      by,
      upstream: flight?.answeredFrom ?? '',
      oneIn: 1,
      reply,
    });
  }

  /** Takes what native threads have written. */
  drain(): void {
    if (this.#watchers.size === 0 || this.#closed) return;
    const buffer = (this.#buffer ??= Buffer.alloc(DRAIN_OCTETS));
    for (let left = DRAINS; left > 0; left--) {
      const octets = this.native.take(buffer);
      if (octets === 0) return;
      this.#read(buffer, octets);
    }
  }

  #read(buffer: Buffer, octets: number): void {
    const wallMs = this.parts.wallMs();
    const nowMs = binding().clockMs();
    for (let at = 0; at < octets;) {
      const atUs = buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
      const length = buffer.readUInt16LE(at + TapField.length);
      const begin = at + TapField.octets;
      const family = buffer[at + TapField.family];
      const address = at + TapField.address;
      this.#tell({
        atMs: wallMs - Math.max(0, nowMs - atUs / 1000),
        latencyUs: buffer.readUInt32LE(at + TapField.latencyUs),
        client: family === 0 ? NO_CLIENT : Uint8Array.from(buffer.subarray(address, address + (family === 4 ? 4 : 16))),
        port: buffer.readUInt16LE(at + TapField.port),
        protocol: PROTOCOLS[buffer[at + TapField.protocol]],
        by: buffer[at + TapField.by],
        upstream: this.#upstreams[buffer.readUInt16LE(at + TapField.upstream)] ?? '',
        oneIn: buffer.readUInt16LE(at + TapField.oneIn),
        reply: buffer.subarray(begin, begin + length),
      });
      at = begin + ((length + 7) & ~7);
    }
  }

  #tell(parts: ConstructorParameters<typeof TapRecord>[0]): void {
    const record = new TapRecord(parts);
    for (const watcher of this.#watchers) {
      try {
        watcher.take(record);
      } catch (error) {
        this.parts.log.error({ err: error }, 'one who watches threw: this is a mistake of ours');
      }
    }
  }

  #apply(): void {
    this.on = this.#watchers.size > 0;
    const whole = [...this.#watchers].some(one => one.wantsReplies);
    if (this.on && this.#notes === undefined) {
      this.#notes = new Uint32Array(pinnedMemory(4 * TAP_NOTES));
      // No ticket that there is: the first of all is 0.
      this.#notes.fill(0xffff_ffff);
      this.native.registerNotes(this.#notes);
    }
    this.native.set(this.on, this.#hitsOneIn, whole);
    if (!this.on) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else if (this.#timer === undefined) this.#schedule();
  }

  #schedule(): void {
    this.#timer = this.parts.clock.after(DRAIN_MS, () => {
      this.drain();
      if (this.#timer !== undefined) this.#schedule();
    });
  }

  #numberOf(upstream: string | undefined): number {
    if (upstream === undefined) return 0;
    const known = this.#numbers.get(upstream);
    if (known !== undefined) return known;
    if (this.#upstreams.length >= MAX_UPSTREAMS) return 0;
    this.#numbers.set(upstream, this.#upstreams.length);
    return this.#upstreams.push(upstream) - 1;
  }
}

/** 4 or 16, or none; of IPv4 in its IPv6-mapped form those of IPv4. */
export function clientOctets(address: string): Uint8Array {
  try {
    const octets = addressOctets(address);
    return isMapped(octets) ? octets.subarray(12) : octets;
  } catch {
    return NO_CLIENT;
  }
}
