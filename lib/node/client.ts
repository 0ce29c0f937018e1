// Questions of the program itself: hosts file and resolv.conf, the cache, and the slow path behind it. A hit is answered
// in the caller's turn; whoever asks decides when to call back.
//
// Bounds: the cache's memory; 512 questions under way (a name server's socket buffer holds about 300 packets), beyond
// which 65,536 wait for their turn, each at most as long as it may then take; 1024 answers of the last second in the
// form that callers get. With `secure` as much memory again, for the records that answers are validated by.
import { BoundedMap } from '../base/bounded-map.js';
import { type Clock, systemClock } from '../base/clock.js';
import { optionError, ShardnsError } from '../base/errors.js';
import { KeepAlive } from '../base/keep-alive.js';
import { parseMemory } from '../base/memory.js';
import { type Random, systemRandom } from '../base/random.js';
import { Engine, MISS } from '../cache/engine.js';
import { NO_EXTENDED_ERROR } from '../native/binding.js';
import { PlainQuestions } from '../resolve/plain-questions.js';
import { warm, type WarmName, type WarmOptions, type WarmProgress } from '../resolve/warm.js';
import { LazyTransport } from '../transport/lazy-transport.js';
import { TcpTransport } from '../transport/tcp.js';
import { SystemUdpTransport } from '../transport/system-udp.js';
import type { ResolvConf } from '../upstream/resolv-conf.js';
import { setFlags } from '../wire/flags.js';
import { Flag, HEADER_SIZE, Type } from '../wire/iana.js';
import { encodeNameInto } from '../wire/name.js';
import { Query } from '../wire/query.js';
import { LocalAddresses } from './address-order.js';
import { AddressQuestion, type AddressQuestionOwner, OPT_OCTETS, type Waiting, withOpt } from './address-question.js';
import { Answered, Promised } from './answered.js';
import { type ClientDependencies, readDependencies } from './client-dependencies.js';
import { QueryFailure } from './errors.js';
import { HostFiles } from './host-files.js';
import type { Hosts } from './hosts.js';
import { type Asking, NameServers, UDP_SIZE } from './name-servers.js';
import { type LookupOptions, type LookupSettings, readLookupOptions, tunablesOf } from './options.js';
import type { Unproven } from './proof.js';
import { Proving } from './proving.js';
import { Questions } from './questions.js';
import { readReply, type ReadReply } from './reply-failures.js';
import { SlowPath } from './slow-path.js';
import { queryChannel } from './telemetry.js';

const MAX_UNDER_WAY = 512;
const MAX_WAITING = 65_536;
/** Flights of the resolver: those questions, and what is refreshed behind expired answers beside them. */
const MAX_FLIGHTS = 2 * MAX_UNDER_WAY;
const MAX_DECODED = 1024;

/** What `ask` gives where whoever waits is told later. */
export const LATER = Symbol('later');

export type { ClientDependencies };

export class DnsClient implements Disposable, AddressQuestionOwner<Answered> {
  readonly settings: LookupSettings;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly local: LocalAddresses;
  readonly #ownsEngine: boolean;
  readonly #files: HostFiles;
  readonly #nameServers: NameServers;
  readonly #questions: Questions<Answered>;
  readonly #slow: SlowPath;
  /** Held for those who wait for an answer: when they have given up, the program may end, whatever is still under way. */
  readonly alive = new KeepAlive();
  /** Answers that lookups have just taken apart, and lookups under way; see lookup.ts. */
  readonly decoded = new BoundedMap<string, object>(MAX_DECODED);
  readonly lookups = new Map<string, object>();
  /** What asks, made anew for other servers. */
  #asking: Asking;
  /** What it was made of. */
  #serversOf: readonly string[] | undefined;
  #confOf: ResolvConf | undefined;
  /** Of a client with `secure`. */
  readonly #proving: Proving | undefined;
  /** Of its questions: with AD where it matters, since without it, or DO, replies say nothing of it (RFC 6840 section 5.7). */
  readonly #flags: number;
  /** Of the engine, since what is under way was asked. */
  #generation = 0;
  #closed = false;

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MEMORY */
  constructor(options: LookupOptions = {}, given: ClientDependencies = {}) {
    this.settings = readLookupOptions(options);
    const dependencies = readDependencies(given);
    this.#ownsEngine = dependencies.cache === undefined;
    if (this.settings.secure !== undefined && !this.#ownsEngine) {
      // Who else writes to it may believe whoever sets AD.
      throw optionError('secure', this.settings.secure, 'nothing beside a cache that others have too (`cache`)');
    }
    this.clock = dependencies.clock ?? systemClock;
    this.random = dependencies.random ?? systemRandom;
    this.local = new LocalAddresses(this.clock, dependencies.interfaces);
    const { settings, clock, random } = this;
    this.#files = new HostFiles(settings, dependencies.servers ?? settings.servers, clock);
    this.#questions = new Questions(clock, MAX_UNDER_WAY, MAX_WAITING);
    this.engine =
      dependencies.cache?.engine ??
      new Engine({
        memoryBytes: parseMemory(settings.memory)!,
        shards: 0,
        policy: 's3fifo',
        averageEntryBytes: 80,
        random,
      });
    // A cache of somebody else's keeps the lifetimes it was given.
    if (this.#ownsEngine) this.engine.configure(tunablesOf(settings));
    const { udpTransport, tcpTransport, tlsTransport, httpsTransport, localAddress } = dependencies;
    const load = (name: 'TlsTransport' | 'HttpsTransport') => async () =>
      new (await import('./encrypted.js'))[name](clock, random, localAddress);
    this.#nameServers = new NameServers({
      engine: this.engine,
      udp: udpTransport ?? new SystemUdpTransport(clock, random, localAddress),
      tcp: tcpTransport ?? new TcpTransport(clock, random, localAddress),
      encrypted: {
        tls: tlsTransport ?? new LazyTransport('TLS', load('TlsTransport')),
        https: httpsTransport ?? new LazyTransport('HTTPS', load('HttpsTransport')),
      },
      clock,
      random,
      settings,
      maxFlights: MAX_FLIGHTS,
      ownsCache: this.#ownsEngine,
      connectRedis: dependencies.connectRedis,
    });
    this.#asking = this.#nameServers.use([], false);
    this.#flags = settings.secure === undefined ? Flag.RD : Flag.RD | Flag.AD;
    if (settings.secure !== undefined) this.#proving = this.#makeProving();
    this.#slow = new SlowPath({ engine: this.engine, proving: this.#proving, asking: () => this.#asking });
  }

  #makeProving(): Proving {
    const { settings, clock, random } = this;
    return new Proving({
      clock,
      random,
      settings,
      maxInFlight: 2 * MAX_FLIGHTS,
      asking: () => this.#asking,
      deadlineMs: () => this.#deadlineMs,
      trusted: () => this.#files.named !== undefined || this.conf.trustAd,
      loaded: validating => {
        this.#nameServers.validating = validating;
      },
    });
  }

  get hosts(): Hosts | undefined {
    return this.#files.hosts;
  }
  get conf(): ResolvConf {
    return this.#files.conf;
  }
  /** Questions under way, and those that wait for their turn. */
  get underWay(): number {
    return this.#questions.underWay + this.#questions.waiting;
  }
  get servers(): readonly string[] {
    return this.#files.servers;
  }

  /**
   * Asks for the records of `name`. `read` gets the reply's octets, which are good until it returns; a hit calls it at
   * once, a miss later. Who waits for it keeps the process alive by `hold`.
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE when `name` cannot be a domain name
   * @throws {QueryFailure} rejected, or thrown by a remembered failure: no answer was to be had
   */
  query<T>(name: string, type: number, read: ReadReply<T>): T | Promise<T> {
    const end = this.#encode(name, type);
    const length = this.#find(end, type);
    if (length > 0) return this.#hit(end, length, read);
    return new Promise((resolve, reject) => {
      const waiting = new Promised(answered => this.read(answered, read), resolve, reject);
      this.#miss(end, type, length === MISS, waiting);
    });
  }

  /**
   * The same without a promise.
   * @returns LATER where `waiting` is told
   * @throws what `query` throws
   */
  ask<T>(name: string, type: number, read: ReadReply<T>, waiting: Waiting<Answered>): T | typeof LATER {
    const end = this.#encode(name, type);
    const length = this.#find(end, type);
    if (length > 0) return this.#hit(end, length, read);
    this.#miss(end, type, length === MISS, waiting);
    return LATER;
  }

  /** Into the engine's buffer. @returns its octets */
  #encode(name: string, type: number): number {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'a lookup on a client that is closed');
    this.#useServers();
    const packet = this.engine.query;
    let end = HEADER_SIZE + encodeNameInto(packet, HEADER_SIZE, name);
    packet.fill(0, 0, HEADER_SIZE);
    setFlags(packet, this.#flags);
    packet[5] = 1;
    packet[end++] = type >> 8;
    packet[end++] = type & 0xff;
    packet[end++] = 0;
    packet[end++] = 1;
    return end;
  }

  #find(end: number, type: number): number {
    return type === Type.ANY ? 0 : this.engine.answerHere(end);
  }

  #hit<T>(end: number, length: number, read: ReadReply<T>): T {
    const { engine } = this;
    const value = this.#readReply(engine.reply, length, read);
    if (engine.refreshDue) this.#asking.resolver.prefetch(new Query(engine.query.slice(0, end)));
    return value;
  }

  /** The question is in the engine's buffer. @param unknown whether the cache has nothing of it, not even expired */
  #miss(end: number, type: number, unknown: boolean, waiting: Waiting<Answered>): void {
    const { engine } = this;
    const key = PlainQuestions.keyOf(engine.query, end);
    if (engine.generation !== this.#generation) {
      const question = engine.query.slice(0, end);
      this.#noticeForgotten(); // what goes on by that uses the buffer
      engine.query.set(question);
    }
    const { plainQuestions } = this.#asking.resolver;
    const plain = plainQuestions.find(key) as AddressQuestion<Answered> | undefined;
    if (plain !== undefined) {
      plain.wait(waiting);
      return;
    }
    let asked = this.#questions.find(key);
    if (asked === undefined) {
      const addresses = type === Type.A || type === Type.AAAA;
      const plainly = unknown && this.#ownsEngine && this.#proving === undefined;
      if (addresses && plainly && this.#askPlainly(key, end, type, waiting)) return;
      const query = new Query(engine.query.slice(0, end));
      asked = this.#questions.ask(key, this.#deadlineMs, () => this.#slow.ask(query));
    }
    asked.then(
      answered => waiting.told(type, answered),
      (error: unknown) => waiting.failed(type, error),
    );
  }

  #askPlainly(key: string, end: number, type: number, waiting: Waiting<Answered>): boolean {
    // Whoever watches questions wants to hear of each as the resolver asks it.
    if (queryChannel.hasSubscribers || !this.#questions.take()) return false;
    const { plainQuestions } = this.#asking.resolver;
    const packet = withOpt(this.engine.query, end, UDP_SIZE);
    const upstream = plainQuestions.mayAsk(packet);
    if (upstream === undefined) {
      this.#questions.release();
      return false;
    }
    const question = new AddressQuestion<Answered>(upstream, plainQuestions, key, packet, type, this);
    question.wait(waiting);
    plainQuestions.begin(question);
    return true;
  }

  /** Called by plain questions, as is the next one. */
  kept({ packet }: AddressQuestion<Answered>, response: Uint8Array): Answered {
    this.#questions.release();
    return new Answered(undefined, undefined, response, packet);
  }
  goOn(question: AddressQuestion<Answered>): void {
    const { packet, key } = question;
    const message = packet.slice(0, packet.length - OPT_OCTETS);
    message[11] = 0;
    const query = new Query(message);
    this.#questions
      .goOn(key, () => this.#slow.ask(query))
      .then(
        answered => question.tell(answered),
        (error: unknown) => question.fail(error),
      );
  }

  #readReply<T>(reply: Uint8Array, length: number, read: ReadReply<T>): T {
    return this.#proving === undefined ? readReply(reply, length, read) : this.#proving.read(reply, length, read);
  }

  /**
   * To be called while a reply is read.
   * @returns why it is not secure; undefined where it is, and of a client without `secure`
   */
  unprovenIn(reply: Uint8Array): Unproven | undefined {
    return this.#proving?.unprovenIn(reply);
  }

  /** @throws {QueryFailure} where it is no answer */
  read<T>(answered: Answered, read: ReadReply<T>): T {
    if (answered.by === read) return answered.value as T;
    if (this.#closed) throw new QueryFailure('ECANCELLED');
    const { query, resolution, response, packet } = answered;
    const { engine } = this;
    let value: T;
    if (packet !== undefined && read.ofRecordsAlone === true && !this.settings.rotate) {
      value = readReply(response, response.length, read);
    } else if (packet !== undefined) {
      const length = engine.finish(packet, response, false, this.clock.wallSeconds(), NO_EXTENDED_ERROR);
      value = readReply(engine.reply, length, read);
    } else if (resolution !== undefined) {
      value = this.#readReply(engine.reply, this.#asking.resolver.finish(query!, resolution, false), read);
    } else {
      value = this.#readReply(response, response.length, read);
    }
    answered.by = read;
    answered.value = value;
    return value;
  }

  get #deadlineMs(): number {
    return this.#files.deadlineMs;
  }

  /** Follows resolv.conf. Servers that stay keep what is known of them. */
  #useServers(): void {
    const { servers, conf } = this;
    if (servers === this.#serversOf && conf === this.#confOf) return;
    const before = this.#serversOf;
    const overTcp = this.#confOf?.useTcp ?? false;
    const believed = this.#confOf?.trustAd;
    this.#serversOf = servers;
    this.#confOf = conf;
    if (before === undefined || overTcp !== conf.useTcp || String(before) !== String(servers)) {
      this.#asking.resolver.plainQuestions.takeOverAll();
      this.#asking = this.#nameServers.use(servers, conf.useTcp);
      // What other servers said need not hold in the network that these belong to.
      if (before !== undefined && String(before) !== String(servers)) this.#distrust();
    } else if (this.settings.trustAd && believed !== conf.trustAd) this.#distrust();
    this.#proving?.deadlineChanged();
    const { exchanger } = this.#asking;
    exchanger.options = { ...exchanger.options, deadlineMs: this.#deadlineMs, spread: conf.rotate };
  }

  #distrust(): void {
    this.engine.invalidate('all');
    this.#noticeForgotten();
  }
  /** What is under way may be what somebody has forgotten since: whoever asks from now on asks anew. */
  #noticeForgotten(): void {
    const now = this.engine.generation;
    if (now === this.#generation) return;
    this.#generation = now;
    this.#asking.resolver.noticeForgotten();
    this.#questions.forget();
    this.lookups.clear();
    this.decoded.clear();
    this.#proving?.clear();
  }

  /** The lookup that others have begun and that may be joined. */
  lookupUnderWay(key: string): object | undefined {
    if (this.lookups.size === 0) return undefined;
    this.#noticeForgotten();
    return this.lookups.get(key);
  }

  /** Asks for names ahead of time, at a bounded rate: `['example.com', 'example.com MX', { name, type }]`. */
  async warm(names: Iterable<WarmName>, options: WarmOptions = {}): Promise<WarmProgress> {
    if (this.#closed) throw new ShardnsError('ERR_SHARDNS_CLOSED', 'warm() on a client that is closed');
    this.#useServers();
    this.alive.hold();
    try {
      if (this.#proving !== undefined) await this.#proving.validator();
      const ask = async ({ message }: Query): Promise<boolean> => {
        if (this.#closed) throw new QueryFailure('ECANCELLED');
        setFlags(message, this.#flags);
        return this.#asking.resolver.isAnswered(new Query(message));
      };
      return await warm(ask, names, options, this.clock);
    } finally {
      this.alive.release();
    }
  }

  /** Forgets every answer; of a cache that is shared, for all who share it. */
  clear(): void {
    this.#asking.resolver.forgetUpstreamKnowledge();
    this.#noticeForgotten();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#slow.close();
    this.decoded.clear();
    this.#questions.close();
    this.#nameServers.close();
    this.alive.close();
    // Whoever still waits is told before the cache goes.
    this.#proving?.close();
    if (this.#ownsEngine) setImmediate(() => this.engine.close());
  }
  [Symbol.dispose](): void {
    this.close();
  }
}
