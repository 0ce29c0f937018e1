// One zone: asks its servers one after the other until one has something to say, and judges what each says.
//
// Bounds: tries at a zone's servers for one question, by RECURSION_LIMITS.
import type { Clock } from '../../base/clock.js';
import { isOurs, type ShardnsError } from '../../base/errors.js';
import type { Fence } from '../../base/fence.js';
import type { Random } from '../../base/random.js';
import type { Upstream } from '../../upstream/upstream.js';
import { ExtendedError, HEADER_SIZE, Rcode, rcodeName, Type, typeName } from '../../wire/iana.js';
import { DecodedResponse, MAX_RESPONSE_RECORDS } from '../../wire/message.js';
import { nameKey, nameToText } from '../../wire/name.js';
import type { Zone } from '../../zone/zone.js';
import { withoutPrivateGlue } from './address-rules.js';
import { AddressSearch, type FindAddress, hasUnknownAddresses } from './address-search.js';
import { type Asked, classify, type Found, type Meaning, type Referral } from './classify.js';
import { type Delegation, describeZone } from './delegation.js';
import { answerOfHeld, HELD } from './held-zones.js';
import type { Infrastructure } from './infrastructure.js';
import { type Job, questionKey, ResolutionError } from './job.js';
import { RECURSION_LIMITS as L } from './limits.js';
import type { AskServer, Setting } from './options.js';
import { ServerChoice } from './server-choice.js';
import { SharedExchanges } from './shared-exchanges.js';
import { describeMeaning } from './trace.js';
import { type Tries, triesAt, triesOf } from './tries.js';

/** What a zone has to say, and the address of the server that said it. */
export interface Heard {
  meaning: Found | Referral;
  from: string;
}

export interface ZoneAskerParts {
  readonly ask: AskServer;
  readonly findAddress: FindAddress;
  readonly infrastructure: Infrastructure;
  readonly clock: Clock;
  readonly random: Random;
  readonly setting: Setting;
  readonly fence: Fence;
}

export class ZoneAsker {
  readonly #choice: ServerChoice;
  readonly #search: AddressSearch;
  readonly #exchanges: SharedExchanges;
  readonly #infrastructure: Infrastructure;
  readonly #clock: Clock;
  readonly #setting: Setting;

  constructor({ ask, findAddress, infrastructure, clock, random, setting, fence }: ZoneAskerParts) {
    this.#choice = new ServerChoice(infrastructure, clock, random, setting);
    this.#search = new AddressSearch(findAddress, setting);
    this.#exchanges = new SharedExchanges(ask, clock, setting, fence);
    this.#infrastructure = infrastructure;
    this.#clock = clock;
    this.#setting = setting;
  }

  /**
   * Asks the zone's servers one after the other until one has something to say.
   * @param mostTimeouts queries without a response, after which it is given up
   */
  async askZone(delegation: Delegation, asked: Asked, job: Job, mostTimeouts = Infinity): Promise<Heard> {
    if (delegation.held !== undefined) return this.#askHeld(delegation, delegation.held, asked, job);
    const tries: Tries[] = [];
    let useless = 0;
    let lastResort: Heard | undefined;
    let empty = 0;
    let reason: string | undefined;
    let networkError = false;
    let malformed = 0;
    let lacking = false;
    let noRoom = 0;
    let timeouts = 0;
    let again: Upstream | undefined;
    const passedOver = this.#passedOver(asked, job);
    // What is given up early is not worth looking for more servers when one has been silent.
    const mayWait = (): boolean => timeouts === 0 || mostTimeouts === Infinity;
    for (let round = 0; round < L.triesPerZone && useless < L.uselessServers && timeouts < mostTimeouts;) {
      const late = tries.length > 0 ? tries.find(one => one.late !== undefined) : undefined;
      const server =
        again ?? late?.server ?? this.#choice.pick(delegation, tries, mayWait(), job.budget.distrusted, passedOver);
      again = undefined;
      if (server === undefined) {
        if (this.#choice.passedOver) {
          lacking = true;
          reason ??= 'its servers leave signatures out';
          if (job.traced) job.trace({ kind: 'failure', text: 'servers that leave signatures out are passed over' });
        }
        if (!mayWait() || !hasUnknownAddresses(delegation, this.#setting.options)) break;
        await this.#search.findMore(delegation, job);
        continue;
      }
      round++;
      let tried = triesAt(tries, server);
      if (tried === undefined) tries.push((tried = triesOf(server)));
      const began = job.traced ? this.#clock.nowMs() : 0;
      let octets = tried.late;
      try {
        tried.late = undefined;
        if (octets === undefined) {
          tried.times++;
          octets = await this.#exchanges.ask(asked, delegation.configured?.tcp ?? false, tried, job);
          if (tried.asking !== undefined) {
            this.#exchanges.ended(tried);
            server.succeeded(this.#clock.nowMs() - tried.began);
          } else {
            const later = this.#exchanges.turn(octets.length);
            if (later !== undefined) await later;
          }
        }
      } catch (error) {
        const isOwn = tried.asking !== undefined;
        if (isOwn) {
          this.#exchanges.ended(tried);
          server.lost(error as ShardnsError);
        }
        if (error instanceof ResolutionError) {
          job.left(reason);
          throw error;
        }
        const { code, message } = error as ShardnsError;
        if (code === 'ERR_SHARDNS_ABORTED' && !isOwn && !job.budget.cancel.cancelled) {
          // It was somebody else's query, and called off with him.
          again = server;
          tried.times--;
          round--;
          continue;
        }
        if (code === 'ERR_SHARDNS_ABORTED') job.left(reason); // the deadline, most likely: said so
        reason = message;
        if (job.traced) job.trace({ kind: 'failure', text: message });
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
      // A referral may be the answer about DS.
      if (meaning.kind === 'answer' || (meaning.kind === 'referral' && asked.type === Type.DS))
        job.budget.heard?.set(questionKey(asked.name, asked.type), from);
      if (meaning.kind === 'answer' || meaning.kind === 'referral') return { meaning, from };
      tried.useless = true;
      useless++;
      if (meaning.kind === 'lame') {
        this.#setting.stats.lame++;
        this.#infrastructure.markLame(server, delegation.key, `${asked.type} ${nameKey(asked.name)}`);
        reason = `${server.label} does not serve ${describeZone(delegation)}`;
      } else if (meaning.kind === 'recursive') {
        lastResort ??= { meaning: meaning.found, from };
      } else if (meaning.kind === 'empty') {
        if (++empty > 1) return { meaning: meaning.found, from };
        lastResort ??= { meaning: meaning.found, from };
      } else {
        server.failed('failure');
        if (meaning.malformed) malformed++;
        reason = meaning.malformed
          ? `${server.label} sent what cannot be read`
          : `${server.label} said ${rcodeName(meaning.rcode)}`;
      }
      if (job.traced)
        job.trace({ kind: meaning.kind === 'lame' ? 'lame' : 'failure', text: reason ?? 'an empty response' });
    }
    if (lastResort !== undefined) return lastResort;
    const isUnasked = lacking && tries.length === 0;
    // Nobody was asked: it costs nothing to find out anew, and is over as soon as one of them heals.
    if (isUnasked) job.budget.ours = true;
    // Who says nothing but what cannot be read was reached, and refused nothing (RFC 8914 section 4.23).
    const unreadable = malformed > 0 && malformed === useless && timeouts === 0;
    throw new ResolutionError(
      `${describeZone(delegation)}: ${reason ?? 'no address of its servers is known'}`,
      isUnasked
        ? ExtendedError.rrsigsMissing
        : networkError
          ? ExtendedError.networkError
          : unreadable
            ? ExtendedError.other
            : ExtendedError.noReachableAuthority,
    );
  }

  /** What it says is read as if one of the zone's servers had said it. */
  #askHeld(delegation: Delegation, held: Zone, asked: Asked, job: Job): Heard {
    const { options, stats } = this.#setting;
    const dnssecOk = options.dnssecOk || options.validation !== undefined;
    const meaning = this.#meaningOf(answerOfHeld(held, asked, dnssecOk), asked);
    stats.held++;
    const where = `${describeZone(delegation)}, held here`;
    if (job.traced) {
      const text = `${nameToText(asked.name)} ${typeName(asked.type)} of ${where}: ${describeMeaning(meaning)}`;
      job.trace({ kind: 'ask', text });
    }
    if (meaning.kind !== 'answer' && meaning.kind !== 'referral') {
      throw new ResolutionError(`${where}: ${describeMeaning(meaning)}`, ExtendedError.other);
    }
    job.budget.heard?.set(questionKey(asked.name, asked.type), HELD);
    return { meaning, from: HELD };
  }

  /** Servers that are not asked: what they say of a name that has to prove itself would be bogus. */
  #passedOver({ name }: Asked, { budget }: Job): ReadonlySet<string> | undefined {
    const { passedOver, validation } = this.#setting.options;
    if (passedOver === undefined || passedOver.size === 0 || budget.validation === undefined) return undefined;
    const anchor = validation?.anchors.closest(name, this.#clock.wallSeconds());
    return anchor === undefined || anchor === 'negative' ? undefined : passedOver;
  }

  /** @throws {ResolutionError} for private addresses where they are refused */
  #meaningOf(octets: Uint8Array, asked: Asked): Meaning {
    const { options } = this.#setting;
    try {
      // The letters of its name were drawn by chance; those that point there are to be as they were meant.
      // Whoever shares it has asked for the same name. As a plain array: slices of a Buffer would be no copies.
      const response = new Uint8Array(octets.buffer, octets.byteOffset, octets.length);
      response.set(asked.name, HEADER_SIZE);
      const message = new DecodedResponse(response, MAX_RESPONSE_RECORDS);
      return withoutPrivateGlue(classify(message, asked, options), options.rules);
    } catch (error) {
      if (error instanceof ResolutionError) throw error;
      this.#setting.stats.rejectedResponses++;
      return { kind: 'useless', rcode: Rcode.FORMERR, malformed: true };
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
    const ms = (this.#clock.nowMs() - began).toFixed(1);
    job.trace({ kind: 'ask', text: `${text} (${describeZone(delegation)}), ${ms} ms: ${describeMeaning(meaning)}` });
  }
}
