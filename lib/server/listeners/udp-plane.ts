// The JavaScript end of the native UDP plane: takes flights from the miss ring, hands them to the resolver, and gives
// the answers back.
//
// Each wake-up takes at most 256 flights, so that a flood of misses cannot starve the event loop.
import { formatAddress, formatSocketAddress, type SocketAddress } from '../../base/address.js';
import { shareOf } from '../../base/client-shares.js';
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Engine } from '../../cache/engine.js';
import {
  AnsweredBy,
  binding,
  FlightKind,
  FlightRecord,
  MORE_WAIT,
  type NativePlane,
  NO_EXTENDED_ERROR,
  type PlaneStats,
  readPlaneStats,
  UNKNOWN_TENANT,
} from '../../native/binding.js';
import type { Gate } from '../../clients/gate.js';
import { answeredBy } from '../../resolve/answered.js';
import { ClientAsker } from '../../resolve/asker.js';
import type { Flight } from '../../resolve/flights.js';
import type { PlaneOfFlights } from '../../resolve/plain-misses.js';
import type { Resolution, Resolver } from '../../resolve/resolver.js';
import { Rcode } from '../../wire/iana.js';
import { Query } from '../../wire/query.js';
import type { Tap } from '../tap/tap.js';

const FLIGHTS_PER_DRAIN = 256;

export interface UdpPlaneOptions {
  threads: number;
  pin: boolean;
  flights: number;
  waiters: number;
  /** Share of both that one client may hold. */
  clientShare: number;
  receiveBufferBytes: number;
  /** Sockets that are bound already, by the numbers of their endpoints: such an endpoint has as many receivers. */
  adopted: readonly { endpoint: number; fd: number }[];
  /** Where it tells what is answered. */
  tap?: Tap | undefined;
  /** What is for who serves zones: answered once, with the octets to be sent; undefined: with none. */
  authority: (message: Uint8Array, client: ZoneClient, reply: (octets: Uint8Array | undefined) => void) => void;
}

export interface ZoneClient {
  readonly address: string;
  readonly port: number;
}

export class UdpPlane {
  readonly #native: NativePlane;
  /** What the plain misses know it by. */
  readonly #flights: PlaneOfFlights = {
    completion: () => this.#native.completion(),
    find: query => (this.#closed ? -1 : this.#native.find(query)),
    outdate: () => this.outdate(),
    forwarded: (ticket, upstream) => this.options.tap?.note(ticket, AnsweredBy.upstream, upstream),
    completed: () => this.#underWay--,
    goOn: ticket => this.#goOn(ticket),
  };
  readonly #buffer = Buffer.alloc(FLIGHTS_PER_DRAIN * (FlightRecord.octets + 512));
  /** The same memory: copies of a Buffer would be Buffers, which are slow to make. */
  readonly #octets = new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  /** The record of one that was forwarded: the others may be being read. */
  readonly #recalled = Buffer.alloc(FlightRecord.octets + 512);
  #underWay = 0;
  #flushQueued = false;
  #closed = false;

  constructor(
    engine: Engine,
    gate: Gate,
    readonly endpoints: readonly SocketAddress[],
    private readonly resolver: Resolver,
    private readonly clock: Clock,
    private readonly options: UdpPlaneOptions,
    predecessor?: UdpPlane,
  ) {
    try {
      this.#native = binding().createPlane(
        engine.native,
        {
          endpoints: endpoints.flatMap(at => [at.address, at.port]),
          threads: options.threads,
          pin: options.pin ? 1 : 0,
          flights: options.flights,
          waiters: options.waiters,
          clientFlights: shareOf(options.flights, options.clientShare),
          clientWaiters: shareOf(options.waiters, options.clientShare),
          gate: gate.native,
          receiveBufferBytes: options.receiveBufferBytes,
          adopted: options.adopted.flatMap(({ endpoint, fd }) => [endpoint, fd]),
          tap: options.tap?.native,
          predecessor: predecessor === undefined ? undefined : predecessor.#native,
        },
        () => this.#drain(),
      );
    } catch (cause) {
      throw listenError(cause, endpoints);
    }
    this.#native.registerDrain(this.#buffer);
  }

  get ports(): number[] {
    return this.#native.ports();
  }
  /** Flights that JavaScript has not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }
  get receiving(): boolean {
    return !this.#closed && this.#native.receiving();
  }

  start(): void {
    if (!this.#native.start())
      throw new ShardnsError('ERR_SHARDNS_LISTEN', 'the receiving threads could not be started');
    this.resolver.plain.use(this.#flights);
  }
  /** Who asks from now on does not wait for what is under way: it may be answered by what holds no more. */
  outdate(): void {
    if (!this.#closed) this.#native.outdate();
  }
  /** Of 2^32 questions so many are copied with their replies, for {@link drainCopies}. */
  copy(share: number): void {
    if (!this.#closed) this.#native.copy(share);
  }
  /** @param out COPY_OCTETS @returns octets of whole records (CopyRecord) */
  drainCopies(out: Uint8Array): number {
    return this.#closed ? 0 : this.#native.drainCopies(out);
  }
  stats(): PlaneStats {
    return readPlaneStats(this.#native);
  }
  /** What the sockets hold already is still answered. */
  stopReceiving(): void {
    this.#native.stopReceiving();
  }
  /** The same for one that has started in its place: what is under way here is answered by the sockets of that one. */
  yieldTo(next: UdpPlane): void {
    if (this.#closed) return;
    this.#native.outdate();
    this.#native.yieldTo(next.#native);
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.resolver.plain.leave(this.#flights);
    } finally {
      this.#native.close();
    }
  }

  #drain(): void {
    if (this.#closed) return;
    const result = this.#native.drain(FLIGHTS_PER_DRAIN);
    const flights = result & ~MORE_WAIT;
    const buffer = this.#buffer;
    const { plain } = this.resolver;
    const mayForward = flights > 0 && plain.mayForward(this.#flights);
    let at = 0;
    for (let i = 0; i < flights; i++) {
      const length = buffer.readUInt16LE(at + FlightRecord.length);
      const packet = this.#octets.slice(at + FlightRecord.octets, at + FlightRecord.octets + length);
      const tenant = buffer.readUInt32LE(at + FlightRecord.tenant);
      const ticket = buffer.readUInt32LE(at + FlightRecord.ticket);
      try {
        const kind = buffer[at + FlightRecord.kind];
        const query = kind === FlightKind.authority ? undefined : new Query(packet);
        if (query === undefined) this.#forAuthority(ticket, packet, buffer, at);
        else if (mayForward && kind === FlightKind.miss && tenant === 0 && plain.tryForward(ticket, query)) {
          this.#underWay++;
        } else {
          this.#begin(ticket, kind, this.#askerAt(buffer, at), query);
        }
      } catch (error) {
        this.#giveUp(ticket, error);
      }
      at += (FlightRecord.octets + length + 3) & ~3;
    }
    this.#native.flush();
    if (result & MORE_WAIT) setImmediate(() => this.#drain());
  }

  /** One that was forwarded: the resolver has it from now on. */
  #goOn(ticket: number): void {
    this.#underWay--;
    if (this.#closed || !this.#native.recall(ticket, this.#recalled)) return;
    try {
      const buffer = this.#recalled;
      const length = buffer.readUInt16LE(FlightRecord.length);
      const packet = Uint8Array.from(buffer.subarray(FlightRecord.octets, FlightRecord.octets + length));
      this.#begin(ticket, FlightKind.miss, this.#askerAt(buffer, 0), new Query(packet));
    } catch (error) {
      this.#giveUp(ticket, error);
    }
  }

  #askerAt(buffer: Buffer, at: number): ClientAsker {
    const tenant = buffer.readUInt32LE(at + FlightRecord.tenant);
    return new ClientAsker('udp', this.#clientAt(buffer, at), tenant === UNKNOWN_TENANT ? undefined : tenant);
  }

  #forAuthority(ticket: number, packet: Uint8Array, buffer: Buffer, at: number): void {
    const client = this.#clientAt(buffer, at);
    if (client === undefined) {
      this.#native.discard(ticket);
      return;
    }
    this.#underWay++;
    this.options.authority(packet, client, octets => {
      this.#underWay--;
      if (this.#closed) return;
      if (octets === undefined) this.#native.discard(ticket);
      else this.#native.replyOctets(ticket, octets);
      this.#flushSoon();
    });
  }

  #clientAt(buffer: Buffer, at: number): { address: string; port: number } | undefined {
    const family = buffer[at + FlightRecord.family];
    if (family === 0) return undefined;
    const port = buffer.readUInt16LE(at + FlightRecord.port);
    const address = at + FlightRecord.address;
    if (family === 4) return new Client4(buffer.readUInt32BE(address), port);
    return new Client6(Uint8Array.from(buffer.subarray(address, address + 16)), port);
  }

  #begin(ticket: number, kind: number, asker: ClientAsker, query: Query): void {
    if (kind === FlightKind.refresh) {
      // Its ticket ends at once: queries that miss meanwhile begin a flight that the resolver joins to this one.
      this.resolver.prefetch(query, asker.tenant);
      this.#native.discard(ticket);
      return;
    }
    if (this.resolver.sortsByHook) {
      asker.part = () => {
        const parted = this.#native.part(ticket);
        setImmediate(() => this.#drain());
        return parted;
      };
    }
    this.#underWay++;
    try {
      this.resolver.ask(query, asker, new Waiting(this, ticket));
    } catch (error) {
      this.#underWay--;
      throw error;
    }
  }

  /** Called once for each flight. Never throws. */
  answer(ticket: number, resolution: Resolution, flight: Flight | undefined): void {
    this.#underWay--;
    if (this.#closed) return;
    const { tap } = this.options;
    try {
      if (tap?.on === true) tap.note(ticket, answeredBy(resolution, flight), flight?.answeredFrom);
      this.#reply(ticket, resolution);
    } catch (error) {
      this.#giveUp(ticket, error);
    }
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    // Answers that come in the same turn leave in one batch.
    setImmediate(this.#flush);
  }
  readonly #flush = (): void => {
    this.#flushQueued = false;
    if (!this.#closed) this.#native.flush();
  };

  /** What breaks one flight leaves the others their answers, and its place in the ring to be used again. */
  #giveUp(ticket: number, error: unknown): void {
    this.resolver.broke(error);
    this.options.tap?.note(ticket, AnsweredBy.failed, undefined);
    this.#native.replyError(ticket, Rcode.SERVFAIL, NO_EXTENDED_ERROR, '');
  }

  #reply(ticket: number, resolution: Resolution): void {
    const native = this.#native;
    if (resolution.kind === 'cached') native.replyStale(ticket, resolution.tenant);
    else if (resolution.kind === 'error') {
      const { rcode, extendedError, text = '' } = resolution;
      native.replyError(ticket, rcode, extendedError, text);
    } else if (!native.replyMessage(ticket, resolution.message, this.clock.wallSeconds(), resolution.extendedError)) {
      native.replyError(ticket, Rcode.SERVFAIL, NO_EXTENDED_ERROR, '');
    }
  }
}

/** A flight of the ring, which waits for its answer. */
class Waiting {
  constructor(
    private readonly plane: UdpPlane,
    private readonly ticket: number,
  ) {}
  told(resolution: Resolution, flight: Flight | undefined): void {
    this.plane.answer(this.ticket, resolution, flight);
  }
}

/** Addresses that were written last, each in the place that its octets give it: a client asks more than once. */
const WRITTEN = 256;
const writtenWords = new Uint32Array(WRITTEN);
const writtenTexts: (string | undefined)[] = new Array<undefined>(WRITTEN).fill(undefined);

/** Formats its address only for those who look. */
class Client4 {
  constructor(
    private readonly word: number,
    readonly port: number,
  ) {}
  get address(): string {
    const { word } = this;
    const place = (word ^ (word >>> 8) ^ (word >>> 16) ^ (word >>> 24)) & (WRITTEN - 1);
    let text = writtenWords[place] === word ? writtenTexts[place] : undefined;
    if (text === undefined) {
      text = `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
      writtenWords[place] = word;
      writtenTexts[place] = text;
    }
    return text;
  }
}

/** The same for IPv6. */
class Client6 {
  constructor(
    private readonly octets: Uint8Array,
    readonly port: number,
  ) {}
  get address(): string {
    return formatAddress(this.octets);
  }
}

function listenError(cause: unknown, endpoints: readonly SocketAddress[]): unknown {
  const error = cause as { code?: string; message: string };
  if (error.code !== 'ERR_SHARDNS_LISTEN') return cause;
  const [, endpoint, errno, reason] = /^(\d+):(\d+):(.*)$/.exec(error.message) ?? [];
  const where = formatSocketAddress(endpoints[Number(endpoint)] ?? endpoints[0]);
  return new ShardnsError('ERR_SHARDNS_LISTEN', `cannot listen on ${where} (UDP): ${reason} (errno ${errno})`, {
    cause,
  });
}
