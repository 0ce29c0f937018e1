// One zone: asks its servers one after the other until one has something to say, and looks for their addresses where
// none is known.
//
// Bounds: one query under way for each question to each server, however many wait for it; of those, as many go on in one
// turn of the event loop as TURN_OCTETS of responses make.
import type { Clock } from '../../base/clock.js';
import type { ShardnsError } from '../../base/errors.js';
import type { Fence } from '../../base/fence.js';
import type { Random } from '../../base/random.js';
import { Turns } from '../../base/turns.js';
import { select } from '../../upstream/selection.js';
import type { Upstream } from '../../upstream/upstream.js';
import { ExtendedError, HEADER_SIZE, Rcode, typeName } from '../../wire/iana.js';
import { DecodedResponse, MAX_RESPONSE_RECORDS } from '../../wire/message.js';
import { nameKey, nameToText } from '../../wire/name.js';
import { withoutPrivate } from './address-rules.js';
import { type Asked, classify, type Found, type Meaning, type Referral } from './classify.js';
import {
  type Delegation,
  describeZone,
  type DirectAddress,
  type NameServer,
  ownServers,
  Source,
} from './delegation.js';
import type { Infrastructure } from './infrastructure.js';
import { isOurs, type Job, ResolutionError } from './job.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { AskServer, ServerQuestion, Setting } from './options.js';

/**
 * Looks for a name server's addresses of one family; false when its name does not exist.
 * What else is learnt of the delegation's servers on the way is added too.
 */
export type FindAddress = (delegation: Delegation, server: NameServer, family: 4 | 6, job: Job) => Promise<boolean>;

/** What a zone has to say, and the address of the server that said it. */
export interface Heard {
  meaning: Found | Referral;
  from: string;
}

/** What has been asked of one server for one question. */
interface Tries {
  readonly server: Upstream;
  times: number;
  /** It answered, without being of use. */
  useless: boolean;
  /** What it said when its time was over. */
  late: Uint8Array | undefined;
  /** The key of the question that it is being asked, and since when. */
  asking: string | undefined;
  began: number;
}
const NONE: ReadonlySet<Upstream> = new Set();

/**
 * Each who shares a response takes it apart, keeps it and makes an answer of it: some 10 us of work for 1 KiB. Aliases of
 * one name may lead a thousand to the same response. Those who go on later may ask what comes next anew, so that this
 * counts octets only: a thousand share what is as small as most without waiting.
 */
const TURN_OCTETS = 2 ** 18;

const triesOf = (server: Upstream): Tries => ({
  server,
  times: 0,
  useless: false,
  late: undefined,
  asking: undefined,
  began: 0,
});

function triesAt(tries: readonly Tries[], server: Upstream): Tries | undefined {
  for (const one of tries) if (one.server === server) return one;
  return undefined;
}

export class ZoneAsker {
  readonly #turns = new Turns(TURN_OCTETS);
  readonly #asking = new Map<string, Promise<Uint8Array>>();
  /** Of the choice that is made: servers by the source of their addresses, and one that has not the zone. */
  readonly #candidates: Upstream[][] = [[], [], []];
  #lame: Upstream | undefined;

  constructor(
    private readonly ask: AskServer,
    private readonly findAddress: FindAddress,
    private readonly infrastructure: Infrastructure,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly setting: Setting,
    private readonly fence: Fence,
  ) {}

  /**
   * Asks the zone's servers one after the other until one has something to say.
   * @param mostTimeouts queries without a response, after which it is given up
   */
  async askZone(delegation: Delegation, asked: Asked, job: Job, mostTimeouts = Infinity): Promise<Heard> {
    const tries: Tries[] = [];
    let useless = 0;
    let lastResort: Heard | undefined;
    let empty = 0;
    let reason: string | undefined;
    let networkError = false;
    let noRoom = 0;
    let timeouts = 0;
    let again: Upstream | undefined;
    // What is given up early is not worth looking for more servers when one has been silent.
    const mayWait = (): boolean => timeouts === 0 || mostTimeouts === Infinity;
    for (let round = 0; round < L.triesPerZone && useless < L.uselessServers && timeouts < mostTimeouts;) {
      const late = tries.length > 0 ? tries.find(one => one.late !== undefined) : undefined;
      const server = again ?? late?.server ?? this.#pick(delegation, tries, mayWait());
      again = undefined;
      if (server === undefined) {
        if (!mayWait() || !this.#hasUnknownAddresses(delegation)) break;
        await this.#fetchAddresses(delegation, job);
        continue;
      }
      round++;
      let tried = triesAt(tries, server);
      if (tried === undefined) tries.push((tried = triesOf(server)));
      const began = job.traced ? this.clock.nowMs() : 0;
      let octets = tried.late;
      try {
        tried.late = undefined;
        if (octets === undefined) {
          tried.times++;
          octets = await this.#exchange(asked, delegation.configured?.tcp ?? false, tried, job);
          if (tried.asking !== undefined) {
            this.#ended(tried);
            server.succeeded(this.clock.nowMs() - tried.began);
          } else {
            const later = this.#turns.room(octets.length);
            if (later !== undefined) await later;
          }
        }
      } catch (error) {
        const isOwn = tried.asking !== undefined;
        if (isOwn) {
          this.#ended(tried);
          this.#blame(server, error as ShardnsError);
        }
        if (error instanceof ResolutionError) throw error;
        const { code, message } = error as ShardnsError;
        if (code === 'ERR_SHARDNS_ABORTED' && !isOwn && !job.budget.cancel.cancelled) {
          // It was somebody else's query, and called off with him.
          again = server;
          tried.times--;
          round--;
          continue;
        }
        if (code === 'ERR_SHARDNS_ABORTED') job.left(); // the deadline, most likely: said so
        reason = message;
        if (isOurs(error)) {
          // No fault of the server's; at others there may be room.
          job.budget.ours = true;
          tried.useless = true;
          if (++noRoom >= L.noRoom) break;
          continue;
        }
        if (code !== 'ERR_SHARDNS_TIMEOUT') {
          networkError = true;
          tried.useless = true;
          useless++;
        } else timeouts++;
        continue;
      }
      const meaning = this.#meaningOf(octets, asked);
      if (job.traced) this.#traceResponse(delegation, asked, server, meaning, began, job);
      const from = server.at.address;
      if (meaning.kind === 'answer' || meaning.kind === 'referral') return { meaning, from };
      tried.useless = true;
      useless++;
      if (meaning.kind === 'lame') {
        this.setting.stats.lame++;
        this.infrastructure.markLame(server, delegation.key, `${asked.type} ${nameKey(asked.name)}`);
        reason = `${server.label} does not serve ${describeZone(delegation)}`;
      } else if (meaning.kind === 'recursive') {
        lastResort ??= { meaning: meaning.found, from };
      } else if (meaning.kind === 'empty') {
        if (++empty > 1) return { meaning: meaning.found, from };
        lastResort ??= { meaning: meaning.found, from };
      } else {
        server.failed('failure');
        reason = `${server.label} said ${rcodeText(meaning.rcode)}`;
      }
      if (job.traced)
        job.trace({ kind: meaning.kind === 'lame' ? 'lame' : 'failure', text: reason ?? 'an empty response' });
    }
    if (lastResort !== undefined) return lastResort;
    throw new ResolutionError(
      `${describeZone(delegation)}: ${reason ?? 'no address of its servers is known'}`,
      networkError ? ExtendedError.networkError : ExtendedError.noReachableAuthority,
    );
  }

  /** @param mayWait whether other addresses may be looked for; undefined is returned where they should be */
  #pick(delegation: Delegation, tries: readonly Tries[], mayWait: boolean): Upstream | undefined {
    const { options } = this.setting;
    const candidates = this.#candidates;
    for (const list of candidates) list.length = 0;
    this.#lame = undefined;
    const now = this.clock.nowMs();
    for (const one of delegation.direct) this.#add(delegation, tries, one, one.port ?? options.port, Source.own, now);
    for (const { addresses } of delegation.servers) {
      for (const one of addresses) this.#add(delegation, tries, one, options.port, one.source, now);
    }
    for (let source: number = Source.own; source <= Source.doubtful; source++) {
      // What is doubtful is believed when nothing else is left to look for.
      if (source === Source.doubtful && mayWait && this.#hasUnknownAddresses(delegation)) return undefined;
      const list = candidates[source];
      const untried = tries.length === 0 ? list : list.filter(one => triesAt(tries, one) === undefined);
      if (untried.length > 0) return select(untried, NONE, options, this.random);
    }
    // Before anybody is asked a second time, other addresses are looked for; lame ones come last.
    if (mayWait && this.#hasUnknownAddresses(delegation)) return undefined;
    return select(candidates.flat(), NONE, options, this.random) ?? this.#lame;
  }

  #add(
    delegation: Delegation,
    tries: readonly Tries[],
    one: DirectAddress,
    port: number,
    source: number,
    nowMs: number,
  ): void {
    const { infrastructure } = this;
    const { options } = this.setting;
    if (one.family === 4 ? !options.ipv4 : !options.ipv6) return;
    if (delegation.configured === undefined && options.rules.forbidden(one.address)) return;
    const server = infrastructure.serverAt(one, port, nowMs);
    const before = triesAt(tries, server);
    if (before !== undefined && (before.useless || before.times >= L.triesPerServer)) return;
    if (infrastructure.isLame(server, delegation.key)) {
      this.#lame ??= server;
      return;
    }
    const list = this.#candidates[source];
    if (!list.includes(server)) list.push(server);
  }

  #hasUnknownAddresses(delegation: Delegation): boolean {
    const { ipv4, ipv6 } = this.setting.options;
    for (const { asked } of delegation.servers) if ((ipv4 && !asked[4]) || (ipv6 && !asked[6])) return true;
    return false;
  }

  /** @throws {ResolutionError} for private addresses where they are refused */
  #meaningOf(octets: Uint8Array, asked: Asked): Meaning {
    const { options } = this.setting;
    try {
      // The letters of its name were drawn by chance; those that point there are to be as they were meant.
      // Whoever shares it has asked for the same name. As a plain array: slices of a Buffer would be no copies.
      const response = new Uint8Array(octets.buffer, octets.byteOffset, octets.length);
      response.set(asked.name, HEADER_SIZE);
      const message = new DecodedResponse(response, MAX_RESPONSE_RECORDS);
      return withoutPrivate(classify(message, asked, options), options.rules);
    } catch (error) {
      if (error instanceof ResolutionError) throw error;
      this.setting.stats.rejectedResponses++;
      return { kind: 'useless', rcode: Rcode.FORMERR };
    }
  }

  #traceResponse(
    delegation: Delegation,
    asked: Asked,
    server: Upstream,
    meaning: Meaning,
    began: number,
    job: Job,
  ): void {
    const text = `${nameToText(asked.name)} ${typeName(asked.type)} of ${server.label}`;
    const ms = (this.clock.nowMs() - began).toFixed(1);
    job.trace({ kind: 'ask', text: `${text} (${describeZone(delegation)}), ${ms} ms: ${describe(meaning)}` });
  }

  /**
   * One query under way for a question to a zone's server; who comes later shares its response, unless something was
   * forgotten in between. Whoever began it, which is whose `tried` has its key, ends it.
   */
  #exchange(asked: Asked, tcp: boolean, tried: Tries, job: Job): Promise<Uint8Array> {
    const { server } = tried;
    const timeoutMs = server.tryTimeoutMs * tried.times;
    const left = job.left();
    const { name, type, recursive: recursionDesired } = asked;
    const way = type * 4 + (recursionDesired ? 2 : 0) + (tcp ? 1 : 0);
    const key = `${way} ${this.fence.now} ${server.label} ${nameKey(name)}`;
    const existing = this.#asking.get(key);
    if (existing !== undefined) {
      this.setting.stats.coalesced++;
      return existing;
    }
    job.budget.queries++;
    this.setting.stats.queries++;
    server.inFlight++;
    tried.began = this.clock.nowMs();
    tried.asking = key;
    const question: ServerQuestion = { name, type, recursionDesired, tcp };
    const asking = this.ask(question, server, Math.min(timeoutMs, left), job.budget.cancel, response => {
      tried.late = response;
    });
    this.#asking.set(key, asking);
    return asking;
  }

  #ended(tried: Tries): void {
    if (tried.asking === undefined) return;
    tried.server.inFlight--;
    this.#asking.delete(tried.asking);
    tried.asking = undefined;
  }

  #blame(server: Upstream, error: ShardnsError): void {
    if (error.code === 'ERR_SHARDNS_TIMEOUT') server.failed('timeout');
    else if (error.code === 'ERR_SHARDNS_UPSTREAM' && !isOurs(error)) server.failed('failure');
  }

  /** Looks for addresses of one more name server. */
  async #fetchAddresses(delegation: Delegation, job: Job): Promise<void> {
    const { options } = this.setting;
    ownServers(delegation);
    const families = ([4, 6] as const).filter(family => (family === 4 ? options.ipv4 : options.ipv6));
    const open = delegation.servers.filter(one => families.some(family => !one.asked[family]));
    // Those without any address first.
    open.sort((a, b) => Number(a.addresses.length > 0) - Number(b.addresses.length > 0));
    for (const server of open) {
      if (!server.asked[4] && !server.asked[6]) {
        const { budget } = job;
        const looked = delegation.servers.filter(one => one.asked[4] || one.asked[6]).length;
        if (
          looked >= L.nameServers + known(delegation) ||
          budget.nameServers >= L.nameServersInAll ||
          delegation.addressless >= L.addressless ||
          budget.addressless >= L.addresslessInAll
        ) {
          server.asked = { 4: true, 6: true };
          continue;
        }
        budget.nameServers++;
        this.setting.stats.nameServersFetched++;
      }
      const before = server.addresses.length;
      for (const family of families) {
        if (server.asked[family]) continue;
        server.asked[family] = true;
        const exists = await this.findAddress(delegation, server, family, job);
        if (server.addresses.length > before) return;
        if (!exists) server.asked = { 4: true, 6: true };
      }
      if (server.addresses.length === 0) {
        delegation.addressless++;
        job.budget.addressless++;
      }
    }
  }
}

/** Name servers whose addresses came along. */
const known = (delegation: Delegation): number => delegation.servers.filter(one => one.addresses.length > 0).length;

function rcodeText(rcode: number): string {
  return Object.entries(Rcode).find(([, code]) => code === rcode)?.[0] ?? `rcode ${rcode}`;
}

function describe(meaning: Meaning): string {
  switch (meaning.kind) {
    case 'answer':
      if (meaning.target !== undefined) return 'an alias';
      if (meaning.rrsets.length > 0) return `${meaning.rrsets.reduce((sum, one) => sum + one.data.length, 0)} records`;
      return meaning.rcode === Rcode.NXDOMAIN ? 'no such name' : 'no such records';
    case 'referral':
      return `referred to the servers of ${nameToText(meaning.ns.name)}`;
    case 'recursive':
      return 'an answer without authority';
    case 'lame':
      return 'does not serve the zone';
    case 'empty':
      return 'nothing';
    case 'useless':
      return rcodeText(meaning.rcode);
  }
}
