// Runs a scenario against a whole server of ours, without sockets: its clock moves when the scenario says so, and what
// it asks of other servers is answered from the scenario's ranges.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SocketAddress } from '../../lib/base/address.js';
import type { Random } from '../../lib/base/random.js';
import { ShardnsError } from '../../lib/base/errors.js';
import type { Logger } from '../../lib/base/log.js';
import { Server } from '../../lib/server/server.js';
import type { ServerOptions } from '../../lib/server/settings/settings.js';
import { StreamSession } from '../../lib/server/listeners/stream-session.js';
import type { ExchangeListener, ExchangeOptions, Exchanging, Transport } from '../../lib/transport/transport.js';
import { isBareError, matches } from '../../lib/transport/matching.js';
import { Flag, Type, typeCode, typeName } from '../../lib/wire/iana.js';
import { encodeName, equalNames, foldName, nameToText } from '../../lib/wire/name.js';
import { questionEnd } from '../../lib/wire/message.js';
import { FakeClock, settle } from '../support/fake-clock.js';
import { FakeStream } from '../support/fake-stream.js';
import { evaluated, statesIn, statesOf } from './autotrust.js';
import { encodeEntry, isKnownWord, type Level, mismatch, type Packet, readPacket } from './matching.js';
import { type Entry, type Range, type Scenario, type Step, Unsupported } from './scenario.js';
import { type PolicyZone, setupOf } from './settings.js';

export interface Outcome {
  status: 'pass' | 'fail' | 'skip';
  reason: string;
  /** Queries to other servers. */
  asked: number;
}

export class Failure extends Error {}

/** Shows why a name could not be resolved. */
function traced(say: (line: string) => void): Logger {
  const line = (fields: object, text: string): void =>
    say(`  ${text}: ${'reason' in fields ? String(fields.reason) : ''}`);
  return { debug: line, info: () => {}, warn: () => {}, error: line } as unknown as Logger;
}

interface Pending {
  packet: Packet;
  octets: Uint8Array;
  address: string;
  answer(response: Uint8Array): void;
  fail(error: ShardnsError): void;
  done: boolean;
  number: number;
}

const STEPS = new Set([
  'QUERY',
  'CHECK_ANSWER',
  'TIME_PASSES',
  'TRAFFIC',
  'NOTHING',
  'CHECK_OUT_QUERY',
  'REPLY',
  'TIMEOUT',
  'ERROR',
  'FLUSH_MESSAGE',
  'INFRA_RTT',
  'ASSIGN',
  'CHECK_AUTOTRUST',
]);
const NOTIFY = 4;
const MAX_WAIT_MS = 60_000;
const MAX_TURNS = 20_000;
const EDNS_SIZE = 1232;
/** What scenarios of amplification allow. */
const MAX_UPSTREAM_QUERIES = 8;

/** Queries that nobody answers stay here until their time is over. */
class ScenarioTransport implements Transport {
  constructor(
    private readonly run: Run,
    private readonly clock: FakeClock,
    private readonly tcp: boolean,
  ) {}
  ask(query: Uint8Array, server: SocketAddress, options: ExchangeOptions, listener: ExchangeListener): Exchanging {
    const octets = query.slice();
    octets[0] = 0x12;
    octets[1] = 0x34;
    const end = (): void => {
      pending.done = true;
      timer.cancel();
    };
    const exchange = { callOff: end };
    const timer = this.clock.after(options.timeoutMs ?? MAX_WAIT_MS, () => {
      if (!pending.done) pending.fail(new ShardnsError('ERR_SHARDNS_TIMEOUT', `${server.address} did not answer`));
    });
    const pending: Pending = {
      packet: readPacket(octets, this.tcp),
      octets,
      address: server.address,
      answer: response => {
        end();
        listener.answered(response, exchange);
      },
      fail: error => {
        end();
        listener.lost(error, exchange);
      },
      done: false,
      number: 0,
    };
    this.run.asked(pending);
    return exchange;
  }
  close(): void {}
}

/** The same numbers in each run. */
function fixedRandom(): Random {
  let state = 0x2545f491;
  return {
    uint32: () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state >>> 0;
    },
  };
}

class Run {
  readonly #clock = new FakeClock();
  readonly #server: Server;
  readonly #pending: Pending[] = [];
  readonly #replies: { packet: Packet; client: string }[] = [];
  readonly #streams = new Map<string, FakeStream>();
  #answering = 0;
  #folder: string | undefined;
  /** At the keys of trust anchors; resolved when what was seen is in their file. */
  #look: Promise<void> | undefined;
  readonly #policy: PolicyZone[];
  #policyFolder: string | undefined;
  /** Assigned by steps. */
  readonly #values = new Map<string, number>();
  #at = 0;
  #shiftMs = 0;
  asked_ = 0;
  /** The first query that time was spent on. */
  #unanswered: string | undefined;

  constructor(
    private readonly scenario: Scenario,
    private readonly level: Level,
    private readonly say: (line: string) => void,
  ) {
    const setup = setupOf(scenario);
    this.#clock.wall = setup.wallSeconds;
    this.#policy = setup.policy;
    if (setup.followed !== undefined) {
      this.#folder = mkdtempSync(join(tmpdir(), 'shardns-replay-'));
      const anchorFile = join(this.#folder, 'anchors.json');
      writeFileSync(anchorFile, setup.followed);
      setup.options.dnssec = { ...setup.options.dnssec, anchorFile };
    }
    this.#server = new Server(
      setup.options,
      {},
      {
        log: traced(say),
        clock: this.#clock,
        random: fixedRandom(),
        udpTransport: new ScenarioTransport(this, this.#clock, false),
        tcpTransport: new ScenarioTransport(this, this.#clock, true),
        // Scenarios were written while these counted: DSA, SHA-1, 150 iterations.
        // On its clock nothing waits for libuv's pool.
        validationPolicy: { legacy: true, sha1: true, nsec3Iterations: setup.nsec3Iterations, verify: 'sync' },
      },
    );
    // The scenario's time is none that passes while it is worked at.
    this.#server.engine.native.holdClock(true);
  }

  asked(pending: Pending): void {
    pending.number = ++this.asked_;
    this.say(`  ${pending.number} ${describe(pending)}`);
    this.#pending.push(pending);
  }

  /** Read from files, as all lists are. */
  async #usePolicy(): Promise<void> {
    if (this.#policy.length === 0) return;
    const folder = (this.#policyFolder = mkdtempSync(join(tmpdir(), 'shardns-replay-')));
    const lists = this.#policy.map(({ name, text, action }) => {
      const source = join(folder, name);
      writeFileSync(source, text);
      return { name, source, format: 'rpz', ...(action === undefined ? {} : { action }) };
    });
    await this.#server.update({ lists: lists as ServerOptions['lists'] });
  }

  async play(): Promise<void> {
    try {
      await this.#usePolicy();
      for (let turn = 0; turn < MAX_TURNS; turn++) {
        await settle();
        if (!(await this.#turn())) {
          this.#checkEnd();
          return;
        }
      }
      throw new Failure('it does not come to an end');
    } finally {
      for (const stream of this.#streams.values()) stream.destroy();
      this.#server.engine.native.holdClock(false);
      await this.#server.close();
      for (const one of [this.#folder, this.#policyFolder]) if (one !== undefined) rmSync(one, { recursive: true });
    }
  }

  get #step(): Step | undefined {
    return this.scenario.steps[this.#at];
  }
  get #waiting(): Pending[] {
    return this.#pending.filter(one => !one.done);
  }

  /** One thing that can be done, in the order that the format wants. False: nothing is left to do. */
  async #turn(): Promise<boolean> {
    const step = this.#step;
    if (step?.type === 'CHECK_OUT_QUERY') {
      const pending = this.#waiting.find(one => this.#isAbout(step, one));
      if (pending !== undefined) {
        if (step.entry!.adjust.includes('copy_id')) this.#answerWith(pending, step.entry!);
        this.#at++;
        return true;
      }
    }
    if (step?.type === 'CHECK_ANSWER' && this.#replies.length > 0) {
      this.#check(step);
      this.#at++;
      return true;
    }
    for (const pending of this.#waiting) {
      const entry = this.#entryFor(pending);
      if (entry === undefined) continue;
      if (entry === 'silence') pending.fail(new ShardnsError('ERR_SHARDNS_TIMEOUT', 'silence'));
      else this.#answerWith(pending, entry);
      return true;
    }
    if (this.#look !== undefined) {
      // Nobody answers: it is given up in time. The disk takes time of its own, which is none of the scenario's.
      if (this.#isLookDue) await this.#clock.advance(500);
      else await this.#look;
      return true;
    }
    if (step === undefined) return false;
    if (step.type === 'CHECK_ANSWER' || step.type === 'CHECK_OUT_QUERY') {
      if (step.type === 'CHECK_OUT_QUERY') throw new Failure(`line ${step.line}: the query was not sent`);
      // What nobody answers is given up after a while, as on any network; the caches' time stands meanwhile.
      if (this.#clock.pendingTimers > 0 && this.#answering > 0) {
        for (const pending of this.#waiting) this.#unanswered ??= describe(pending);
        await this.#clock.advance(500);
        return true;
      }
      throw new Failure(`line ${step.line}: no reply${this.#hint()}`);
    }
    await this.#do(step);
    this.#at++;
    return true;
  }

  async #do(step: Step): Promise<void> {
    switch (step.type) {
      case 'QUERY':
        this.#query(step);
        return;
      case 'TIME_PASSES': {
        const [kind, ...words] = step.words;
        const seconds = kind === 'EVAL' ? this.#valueOf(words) : Number(words[0]);
        if (!Number.isFinite(seconds)) throw new Unsupported(`TIME_PASSES ${step.words.join(' ')}`);
        if (this.#folder === undefined) await this.#advance(seconds * 1000);
        else this.#passTo(this.#clock.wall + seconds);
        return;
      }
      case 'ASSIGN': {
        const [name, , ...words] = step.words;
        const [, from, to] = /^\$\{range (\d+) \$\{timeout\} (\d+)\}$/.exec(words.join(' ')) ?? [];
        const next = this.#server.report().anchors.zones[0]?.nextProbeSeconds ?? 0;
        const value = from === undefined ? this.#valueOf(words) : next - this.#clock.wall;
        if (value < Number(from) || (value > Number(to) && to !== '0')) {
          throw new Failure(`line ${step.line}: the next look is in ${value} s, not in ${from} to ${to}`);
        }
        this.#values.set(name, value);
        return;
      }
      case 'CHECK_AUTOTRUST': {
        const [have, want] = [statesOf(this.#server.report().anchors), statesIn(step.file)];
        if (have !== want) throw new Failure(`line ${step.line}: anchors ${have}, not ${want}`);
        return;
      }
      case 'FLUSH_MESSAGE': {
        const [name, type] = step.words;
        for (const dnssecOk of [false, true]) {
          for (const checkingDisabled of [false, true]) {
            const variant = { dnssecOk, checkingDisabled };
            this.#server.engine.remove(foldName(encodeName(name)), typeCode(type)!, variant);
          }
        }
        return;
      }
      case 'INFRA_RTT': {
        const [address, , ms] = step.words;
        this.#server.recursor?.infrastructure
          .server(address, isIP(address) as 4 | 6, this.#server.settings.resolver.port)
          .succeeded(Number(ms));
        return;
      }
      case 'TRAFFIC':
      case 'NOTHING':
        return;
      case 'TIMEOUT':
      case 'ERROR': {
        const last = this.#waiting.at(-1);
        if (last === undefined) return; // resolvers differ in how often they try
        const code = step.type === 'TIMEOUT' ? 'ERR_SHARDNS_TIMEOUT' : 'ERR_SHARDNS_UPSTREAM';
        last.fail(new ShardnsError(code, 'as the scenario says'));
        return;
      }
      case 'REPLY': {
        const last = this.#waiting.at(-1);
        if (last !== undefined) this.#answerWith(last, step.entry!);
        return;
      }
    }
  }

  #valueOf(words: readonly string[]): number {
    return evaluated(words.join(' '), this.#values, this.#clock.wall);
  }

  /** As many days go by here as a timer has hours: what falls due is looked at once, at their end. */
  #passTo(wall: number): void {
    this.#shiftMs += (wall - this.#clock.wall) * 1000;
    this.#clock.wall = wall;
    this.#server.engine.native.shiftClock(this.#shiftMs);
    this.#server.recursor?.rrsets.bytes.native.shiftClock(this.#shiftMs);
    if (!this.#isLookDue) return;
    this.#look = this.#server.anchors.refresh().finally(() => (this.#look = undefined));
  }
  get #isLookDue(): boolean {
    const { zones } = this.#server.report().anchors;
    return zones.some(one => (one.nextProbeSeconds ?? 0) <= this.#clock.wall);
  }

  async #advance(ms: number): Promise<void> {
    this.#shiftMs += ms;
    this.#clock.wall += Math.floor(ms / 1000);
    this.#server.engine.native.shiftClock(this.#shiftMs);
    this.#server.recursor?.rrsets.bytes.native.shiftClock(this.#shiftMs);
    await this.#clock.advance(ms);
  }

  #query(step: Step): void {
    const entry = step.entry!;
    const hasEdns = entry.dnssecOk || entry.ednsData !== undefined;
    const deckard = this.scenario.dialect === 'deckard';
    const octets = encodeEntry(
      { ...entry, sections: { answer: [], authority: [], additional: [] } },
      {
        id: 0,
        question: entry.question,
        options: hasEdns || deckard ? (entry.ednsData ?? new Uint8Array()) : undefined,
        udpSize: deckard ? 4096 : EDNS_SIZE,
      },
    );
    if (
      entry.question !== undefined &&
      /\.check\.max\.number\.of\.upstream\.queries\.$/.test(nameToText(entry.question.name))
    ) {
      this.#checkLimit(step);
      return;
    }
    const tcp = entry.match.includes('TCP');
    const client = (step.address ?? '127.0.0.1').replace(/@.*$/, '');
    this.#answering++;
    this.say(`step ${step.number} asks ${describe({ packet: readPacket(octets, tcp), address: client })}`);
    const answered = (reply: Uint8Array | undefined): void => {
      this.#answering--;
      if (reply !== undefined) this.#replies.push({ packet: readPacket(reply, tcp), client });
    };
    if (tcp) this.#ask(octets, client, answered);
    else {
      const asker = { protocol: 'udp' as const, client: { address: client, port: 53_535 } };
      this.#server.answerer.answer(octets, asker, reply => answered(reply?.slice()));
    }
  }

  /** Each client has one connection, and opens another when the server has closed it. */
  #ask(octets: Uint8Array, client: string, answered: (reply: Uint8Array) => void): void {
    const wantsClosed = this.scenario.steps[this.#at + 1]?.entry?.match.includes('CONNECTION_CLOSED');
    let stream = this.#streams.get(client);
    if (wantsClosed) {
      if (stream?.destroyed !== true) throw new Failure('the connection is not closed');
      this.#answering--;
      this.#at++; // the check of it
      return;
    }
    if (stream === undefined || stream.destroyed) {
      stream = new FakeStream(client);
      this.#streams.set(client, stream);
      const notify = { began: () => {}, ended: () => {} };
      new StreamSession({
        stream,
        client: { address: client, port: stream.remotePort },
        protocol: 'tcp',
        answerer: this.#server.answerer,
        clock: this.#clock,
        connections: this.#server.tcpConnections,
        notify,
      });
    }
    stream.onMessage = answered;
    stream.send(octets);
  }

  /** Where these scenarios come from, code beside them answers such a question with "pass". */
  #checkLimit(step: Step): void {
    if (this.asked_ > MAX_UPSTREAM_QUERIES) {
      throw new Failure(`line ${step.line}: ${this.asked_} queries to servers, not at most ${MAX_UPSTREAM_QUERIES}`);
    }
    this.#at++; // the answer that is wanted
  }

  #check(step: Step): void {
    const client = step.address?.replace(/@.*$/, '');
    const index = this.#replies.findIndex(one => client === undefined || one.client === client);
    const [reply] = this.#replies.splice(Math.max(index, 0), 1);
    // What a policy says is nobody's authority here; there it has AA.
    const recursion = this.#policy.some(one => one.deniesWithoutRa === true) ? Flag.RA : 0;
    const wanted =
      this.#policy.length > 0 ? { ...step.entry!, flags: (step.entry!.flags & ~Flag.AA) | recursion } : step.entry!;
    const difference = mismatch(wanted, reply.packet, this.level, this.scenario);
    if (difference !== undefined) throw new Failure(`line ${step.line}: ${difference}${this.#hint()}`);
  }

  /** The ranges are tried from the last to the first, in Deckard's dialect from the first that has the address. */
  #entryFor(pending: Pending): Entry | 'silence' | undefined {
    const has = (range: Range): boolean => this.#isOpen(range, pending.address);
    const { ranges, dialect } = this.scenario;
    // In the caches' dialect the last entry that matches answers.
    const entriesOf = ({ entries }: Range): Entry[] => (this.scenario.forwarding ? [...entries].reverse() : entries);
    const find = (range: Range): Entry | undefined =>
      entriesOf(range).find(
        entry => mismatch(entry, pending.packet, 'strict', { dialect: 'deckard', forwarding: false }) === undefined,
      );
    if (dialect === 'deckard' && !this.scenario.forwarding) {
      const range = ranges.find(has);
      const entry = range && find(range);
      if (entry !== undefined) return entry.adjust.includes('do_not_answer') ? 'silence' : entry;
    } else {
      for (const range of [...ranges].reverse()) {
        const entry = has(range) ? find(range) : undefined;
        if (entry !== undefined) return entry;
      }
    }
    // What the scenario wants to see asked, it answers itself.
    const awaited = this.scenario.steps.some(
      step =>
        step.type === 'CHECK_OUT_QUERY' &&
        mismatch(step.entry!, pending.packet, 'strict', { dialect: 'deckard', forwarding: false }) === undefined,
    );
    return awaited ? undefined : (this.#otherType(pending) ?? this.#addressElsewhere(pending));
  }

  /**
   * Resolvers differ in the type of their minimised questions (RFC 9156 section 2.1). A server that has an entry for the
   * name under NS would answer A with the same referral, or with no records.
   */
  #otherType(pending: Pending): Entry | undefined {
    const { question } = pending.packet;
    if (question?.type !== Type.A) return undefined;
    // Where the scenario knows the question, its silence is meant.
    const known = this.scenario.ranges.some(range =>
      range.entries.some(one => one.question?.type === Type.A && equalNames(one.question.name, question.name)),
    );
    if (known) return undefined;
    const asNs = { ...pending, packet: { ...pending.packet, question: { ...question, type: Type.NS } } };
    const range = this.scenario.ranges.find(one => this.#isOpen(one, pending.address));
    const entry = range?.entries.find(
      one => mismatch(one, asNs.packet, 'strict', { dialect: 'deckard', forwarding: false }) === undefined,
    );
    if (entry === undefined) return undefined;
    const { answer, authority, additional } = entry.sections;
    const referral = answer.length === 0 && authority.length > 0;
    const sections = referral ? { answer, authority, additional } : { answer: [], authority: [], additional: [] };
    return { ...entry, question, sections, flags: referral ? entry.flags : entry.flags | 0x0400 };
  }

  #isOpen(range: Range, address: string): boolean {
    // Deckard's QUERY lasts until it is answered; elsewhere a step ends when the next one begins. Behind the last step its
    // number goes on.
    const step = this.scenario.dialect === 'deckard' ? this.scenario.steps[this.#at - 1] : this.#step;
    const number = step?.number ?? this.scenario.steps.at(-1)?.number ?? 0;
    return (
      range.from <= number &&
      range.to >= number &&
      // A cache has one server before it, whatever the ranges say.
      (this.scenario.forwarding ||
        range.addresses.length === 0 ||
        range.addresses.some(one => sameAddress(one, address)))
    );
  }

  /** Other resolvers ask for addresses of name servers that the scenario gives in passing only. */
  #addressElsewhere({ packet }: Pending): Entry | undefined {
    const { question } = packet;
    if (question === undefined || (question.type !== Type.A && question.type !== Type.AAAA)) return undefined;
    const servers = this.scenario.ranges
      .flatMap(range => range.entries)
      .flatMap(entry => [...entry.sections.answer, ...entry.sections.authority])
      .filter(one => one.type === Type.NS);
    if (!servers.some(one => equalNames(one.data, question.name))) return undefined;
    const all = this.scenario.ranges
      .flatMap(range => range.entries)
      .flatMap(entry => [...entry.sections.answer, ...entry.sections.additional]);
    const found = all.filter(one => one.type === question.type && equalNames(one.name, question.name));
    return {
      match: [],
      adjust: ['copy_id', 'copy_query'],
      opcode: 0,
      rcode: 0,
      flags: 0x8400,
      dnssecOk: false,
      question,
      sections: { answer: found.slice(0, 1), authority: [], additional: [] },
      raw: undefined,
      ednsData: undefined,
      extraPackets: 0,
      line: 0,
    };
  }

  #isAbout(step: Step, pending: Pending): boolean {
    if (step.address !== undefined && !sameAddress(step.address.replace(/@.*$/, ''), pending.address)) return false;
    return mismatch(step.entry!, pending.packet, 'strict', { dialect: 'deckard', forwarding: false }) === undefined;
  }

  #answerWith(pending: Pending, entry: Entry): void {
    if (entry.extraPackets > 0) throw new Unsupported('several messages on a stream');
    const { packet } = pending;
    this.say(`  ${pending.number} answered by line ${entry.line}`);
    const question = entry.adjust.includes('copy_query') ? packet.question : entry.question;
    const response = encodeEntry(entry, {
      id: packet.id,
      // Letter case is that of the query, as servers send it.
      question:
        question !== undefined && packet.question !== undefined && equalNames(question.name, packet.question.name)
          ? { ...question, name: packet.question.name }
          : question,
      options: packet.opt === undefined ? undefined : (entry.ednsData ?? new Uint8Array()),
      udpSize: EDNS_SIZE,
    });
    if (entry.raw !== undefined && entry.adjust.includes('copy_id')) {
      response[0] = pending.octets[0];
      response[1] = pending.octets[1];
    }
    const belongs = matches(response, pending.octets, questionEnd(pending.octets), 'folded');
    if (!belongs && !isBareError(response, pending.octets)) {
      pending.fail(new ShardnsError('ERR_SHARDNS_TIMEOUT', 'a response to another question is no response'));
      return;
    }
    pending.answer(response);
  }

  #hint(): string {
    return this.#unanswered === undefined ? '' : `; nothing answers ${this.#unanswered}`;
  }

  #checkEnd(): void {
    // What is asked about the root itself is asked for no client.
    const left = this.#waiting.find(one => one.packet.question?.name.length !== 1);
    if (left !== undefined) throw new Failure(unanswered(left));
    if (this.#replies.length > 0) throw new Failure('a reply that no step has checked');
  }
}

const sameAddress = (a: string, b: string): boolean => a === b || (a.includes(':') && hostOf(a) === hostOf(b));
/** IPv6 addresses have many forms. */
const hostOf = (address: string): string => (isIP(address) === 6 ? new URL(`http://[${address}]`).hostname : address);

function describe({ packet, address }: Pick<Pending, 'packet' | 'address'>): string {
  const { question } = packet;
  return `${question && nameToText(question.name)} ${question && typeName(question.type)} at ${address}`;
}

function unanswered({ packet, address }: Pending): string {
  return `nothing answers ${describe({ packet, address })}`;
}

/** What a scenario needs that this cannot do. */
function unsupportedIn(scenario: Scenario): string | undefined {
  for (const { type } of scenario.steps) {
    if (!STEPS.has(type)) return `step ${type}`;
  }
  // Who acknowledges a notification has a zone that it takes from another server (RFC 1996 section 3.7).
  const acknowledged = scenario.steps.find(({ entry }) => entry?.opcode === NOTIFY && (entry.flags & Flag.AA) !== 0);
  if (acknowledged !== undefined) return `a secondary zone, line ${acknowledged.line}`;
  const entries = [
    ...scenario.ranges.flatMap(range => range.entries),
    ...scenario.steps.flatMap(step => step.entry ?? []),
  ];
  for (const entry of entries) {
    const word = entry.match.find(one => !isKnownWord(one));
    if (word !== undefined) return `MATCH ${word}`;
  }
  return undefined;
}

/** @param say told of each query to a server and what answers it */
export async function replay(
  scenario: Scenario,
  level: Level,
  say: (line: string) => void = () => {},
): Promise<Outcome> {
  let run: Run | undefined;
  try {
    const unsupported = unsupportedIn(scenario);
    if (unsupported !== undefined) return { status: 'skip', reason: unsupported, asked: 0 };
    run = new Run(scenario, level, say);
    await run.play();
    return { status: 'pass', reason: '', asked: run.asked_ };
  } catch (error) {
    const asked = run?.asked_ ?? 0;
    if (error instanceof Unsupported) return { status: 'skip', reason: error.message, asked };
    if (error instanceof Failure) return { status: 'fail', reason: error.message, asked };
    return { status: 'fail', reason: (error as Error).stack ?? String(error), asked };
  }
}
