// One zone: asks its servers one after the other until one has something to say, and looks for their addresses where
// none is known.
//
// Bounds: one query under way for each question to each server, however many wait for it; of those, as many go on in one
// turn of the event loop as TURN_OCTETS of responses make.
import type { Clock } from '../../base/clock.js';
import type { ShardnsError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { Turns } from '../../base/turns.js';
import { select } from '../../upstream/selection.js';
import type { Upstream } from '../../upstream/upstream.js';
import { ExtendedError, HEADER_SIZE, Rcode, typeName } from '../../wire/iana.js';
import { decodeMessage, MAX_RESPONSE_RECORDS } from '../../wire/message.js';
import { nameKey, nameToText } from '../../wire/name.js';
import { withoutPrivate } from './address-rules.js';
import { type Asked, classify, type Found, type Meaning } from './classify.js';
import { type Delegation, describeZone, type NameServer, Source } from './delegation.js';
import type { Infrastructure } from './infrastructure.js';
import { isOurs, type Job, ResolutionError } from './job.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { AskServer, ServerQuestion, Setting } from './options.js';

/**
 * Looks for a name server's addresses of one family; false when its name does not exist.
 * What else is learnt of the delegation's servers on the way is added too.
 */
export type FindAddress = (delegation: Delegation, server: NameServer, family: 4 | 6, job: Job) => Promise<boolean>;

export type Referral = Extract<Meaning, { kind: 'referral' }>;

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
  late?: Uint8Array;
}
const NONE: ReadonlySet<Upstream> = new Set();

/**
 * Each who shares a response takes it apart, keeps it and makes an answer of it: some 10 us of work for 1 KiB. Aliases of
 * one name may lead a thousand to the same response. Those who go on later may ask what comes next anew, so that this
 * counts octets only: a thousand share what is as small as most without waiting.
 */
const TURN_OCTETS = 2 ** 18;

export class ZoneAsker {
  readonly #asking = new Map<string, Promise<Uint8Array>>();
  readonly #turns = new Turns(TURN_OCTETS);

  constructor(
    private readonly ask: AskServer,
    private readonly findAddress: FindAddress,
    private readonly infrastructure: Infrastructure,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly setting: Setting,
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
    // What is given up early is not worth looking for more servers when one has been silent.
    const mayFetch = (): boolean =>
      (timeouts === 0 || mostTimeouts === Infinity) && this.#hasUnknownAddresses(delegation);
    for (let round = 0; round < L.triesPerZone && useless < L.uselessServers && timeouts < mostTimeouts;) {
      const server = tries.find(one => one.late !== undefined)?.server ?? this.#pick(delegation, tries, mayFetch());
      if (server === undefined) {
        if (!mayFetch()) break;
        await this.#fetchAddresses(delegation, job);
        continue;
      }
      round++;
      let tried = tries.find(one => one.server === server);
      if (tried === undefined) tries.push((tried = { server, times: 0, useless: false }));
      let meaning: Meaning;
      try {
        meaning = await this.#askServer(delegation, asked, tried, job);
      } catch (error) {
        if (error instanceof ResolutionError) throw error;
        const { code, message } = error as ShardnsError;
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

  /** @param mayFetch whether other addresses may be looked for; undefined is returned where they should be */
  #pick(delegation: Delegation, tries: readonly Tries[], mayFetch: boolean): Upstream | undefined {
    const { infrastructure } = this;
    const { options } = this.setting;
    const bySource: Upstream[][] = [];
    let lame: Upstream | undefined;
    const triesAt = (server: Upstream): Tries | undefined => tries.find(one => one.server === server);
    const add = (address: string, family: 4 | 6, port: number, source: number): void => {
      if (family === 4 ? !options.ipv4 : !options.ipv6) return;
      if (options.rules.forbidden(address) && delegation.configured === undefined) return;
      const server = infrastructure.server(address, family, port);
      const before = triesAt(server);
      if (before !== undefined && (before.useless || before.times >= L.triesPerServer)) return;
      if (infrastructure.isLame(server, delegation.key)) {
        lame ??= server;
        return;
      }
      const list = (bySource[source] ??= []);
      if (!list.includes(server)) list.push(server);
    };
    for (const one of delegation.direct) add(one.address, one.family, one.port ?? options.port, Source.own);
    for (const server of delegation.servers) {
      for (const { address, family, source } of server.addresses) add(address, family, options.port, source);
    }
    for (let source: number = Source.own; source <= Source.doubtful; source++) {
      // What is doubtful is believed when nothing else is left to look for.
      if (source === Source.doubtful && mayFetch) return undefined;
      const list = bySource[source];
      const untried = tries.length === 0 ? list : list?.filter(one => triesAt(one) === undefined);
      if (untried !== undefined && untried.length > 0) return select(untried, NONE, options, this.random);
    }
    // Before anybody is asked a second time, other addresses are looked for; lame ones come last.
    if (mayFetch) return undefined;
    return select(bySource.flat(), NONE, options, this.random) ?? lame;
  }

  #hasUnknownAddresses(delegation: Delegation): boolean {
    const { ipv4, ipv6 } = this.setting.options;
    return delegation.servers.some(one => (ipv4 && !one.asked[4]) || (ipv6 && !one.asked[6]));
  }

  async #askServer(delegation: Delegation, asked: Asked, tried: Tries, job: Job): Promise<Meaning> {
    const { configured } = delegation;
    const { server } = tried;
    const question: ServerQuestion = {
      name: asked.name,
      type: asked.type,
      recursionDesired: asked.recursive,
      tcp: configured?.tcp ?? false,
    };
    const text = job.traced ? `${nameToText(asked.name)} ${typeName(asked.type)} of ${server.label}` : '';
    const began = this.clock.nowMs();
    let octets = tried.late;
    tried.late = undefined;
    if (octets === undefined) {
      tried.times++;
      octets = await this.#exchange(question, tried, job);
    }
    let meaning: Meaning;
    try {
      // The letters of its name were drawn by chance; those that point there are to be as they were meant.
      // Whoever shares it has asked for the same name. As a plain array: slices of a Buffer would be no copies.
      const response = new Uint8Array(octets.buffer, octets.byteOffset, octets.length);
      response.set(asked.name, HEADER_SIZE);
      const message = decodeMessage(response, MAX_RESPONSE_RECORDS);
      meaning = withoutPrivate(classify(message, asked, this.setting.options), this.setting.options.rules);
    } catch (error) {
      if (error instanceof ResolutionError) throw error;
      this.setting.stats.rejectedResponses++;
      return { kind: 'useless', rcode: Rcode.FORMERR };
    }
    if (job.traced) {
      const ms = (this.clock.nowMs() - began).toFixed(1);
      job.trace({ kind: 'ask', text: `${text} (${describeZone(delegation)}), ${ms} ms: ${describe(meaning)}` });
    }
    return meaning;
  }

  /** One query under way for a question to a zone's server; who comes later shares its response. */
  async #exchange(question: ServerQuestion, tried: Tries, job: Job): Promise<Uint8Array> {
    const { server } = tried;
    const timeoutMs = server.tryTimeoutMs * tried.times;
    const left = job.left();
    const { type, recursionDesired, tcp } = question;
    const way = type * 4 + (recursionDesired ? 2 : 0) + (tcp ? 1 : 0);
    const key = `${way} ${server.label} ${nameKey(question.name)}`;
    const existing = this.#asking.get(key);
    if (existing !== undefined) {
      this.setting.stats.coalesced++;
      try {
        const response = await existing;
        const later = this.#turns.room(response.length);
        if (later !== undefined) await later;
        return response;
      } catch (error) {
        // It was somebody else's query, and called off with him.
        if ((error as ShardnsError).code !== 'ERR_SHARDNS_ABORTED' || job.budget.cancel.cancelled) throw error;
        return this.#exchange(question, tried, job);
      }
    }
    job.budget.queries++;
    this.setting.stats.queries++;
    server.inFlight++;
    const began = this.clock.nowMs();
    const asking = this.ask(question, server, Math.min(timeoutMs, left), job.budget.cancel, response => {
      tried.late = response;
    });
    this.#asking.set(key, asking);
    try {
      const response = await asking;
      server.succeeded(this.clock.nowMs() - began);
      return response;
    } catch (error) {
      const { code } = error as ShardnsError;
      if (code === 'ERR_SHARDNS_TIMEOUT') server.failed('timeout');
      else if (code === 'ERR_SHARDNS_UPSTREAM' && !isOurs(error)) server.failed('failure');
      throw error;
    } finally {
      server.inFlight--;
      this.#asking.delete(key);
    }
  }

  /** Looks for addresses of one more name server. */
  async #fetchAddresses(delegation: Delegation, job: Job): Promise<void> {
    const { options } = this.setting;
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
