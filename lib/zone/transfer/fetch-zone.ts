// One try to have the newest version of a zone from one primary: its SOA, then the differences where it is newer, then all
// of it where there are none or they do not fit. What it comes to is a zone, whole, beside the one that is served.
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { inSlices } from '../../base/slices.js';
import { verifyingZonemd } from '../../dnssec/zonemd.js';
import { flagsOf, headerRcode } from '../../wire/flags.js';
import { Flag, Rcode, rcodeName, Type } from '../../wire/iana.js';
import { DecodedResponse, type ResourceRecord } from '../../wire/message.js';
import { equalNames, foldedName, foldName, nameKey } from '../../wire/name.js';
import { findOpt } from '../../wire/opt.js';
import { word } from '../../wire/record-walk.js';
import { changing } from '../changes.js';
import { excessiveIterations, MAX_ITERATIONS } from '../denial.js';
import { NameRecords } from '../name-records.js';
import { isNewer } from '../serial.js';
import { serialOf } from '../soa.js';
import { labelsAbove, ZoneBuilder, type ZoneLimits } from '../zone-builder.js';
import { soaFields, Zone } from '../zone.js';
import { condensing, type Difference } from './difference.js';
import { toldExpire } from './expire.js';
import { type OpenStream, type PeerServer, PrimaryConnection } from './primary-connection.js';
import { differencesQuestion, soaQuestion, wholeQuestion, withOpt } from './questions.js';
import { type TransferOutcome, TransferReader } from './transfer-reader.js';

export interface FetchLimits extends ZoneLimits {
  /** Of all messages of a transfer. */
  readonly transferOctets: number;
  readonly transferMs: number;
}

export interface FetchTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly open: OpenStream;
}

export interface FetchArgs {
  readonly apex: Uint8Array;
  readonly peer: PeerServer;
  /** The version that is had already. */
  readonly current: Zone | undefined;
  /** All of it is wanted, whatever is had already. */
  readonly whole?: boolean;
  readonly limits: FetchLimits;
  /** Whether a zone without a digest that can be checked is refused; one that is wrong always is. */
  readonly needsDigest?: boolean;
}

/** What came, and what its primary says is left of the zone's time in seconds (RFC 7314); undefined: it says nothing. */
export type Fetched = Had & { readonly expireSeconds?: number };

type Had =
  /** The primary has nothing newer; `behind`: it has something older. */
  | { readonly kind: 'current'; readonly behind: boolean; readonly serial: number }
  | {
      readonly kind: 'new';
      readonly zone: Zone;
      /** From `current` to it, where they were sent as differences. */
      readonly difference: Difference | undefined;
      readonly octets: number;
      readonly records: number;
    };

/**
 * @param begun given what calls it off
 * @throws {ShardnsError} naming the primary and what is wrong; nothing has changed then
 */
export async function fetchZone(
  args: FetchArgs,
  tools: FetchTools,
  begun: (callOff: () => void) => void,
): Promise<Fetched> {
  const { peer, limits } = args;
  let connection: PrimaryConnection | undefined;
  let isCalledOff = false;
  begun(() => {
    isCalledOff = true;
    connection?.close();
  });
  const checkWanted = (): void => {
    if (isCalledOff) throw new ShardnsError('ERR_SHARDNS_ABORTED', 'the transfer was called off');
  };
  const connected = (): PrimaryConnection => {
    checkWanted();
    if (connection?.isUsable !== true) connection = new PrimaryConnection(peer, tools, limits.transferMs);
    return connection;
  };
  try {
    return await new Fetch(args, tools, { connected, checkWanted }).run();
  } finally {
    connection?.close();
  }
}

class Fetch {
  #expireSeconds: number | undefined;
  #knowsEdns = true;

  constructor(
    private readonly args: FetchArgs,
    private readonly tools: FetchTools,
    private readonly way: { connected: () => PrimaryConnection; checkWanted: () => void },
  ) {}

  async run(): Promise<Fetched> {
    const had = await this.#run();
    return { ...had, expireSeconds: this.#expireSeconds };
  }

  async #run(): Promise<Had> {
    const { current, whole } = this.args;
    if (current === undefined || whole === true) return this.#whole();
    const serial = serialOf(await this.#askSoa());
    if (!isNewer(serial, current.serial)) {
      return { kind: 'current', serial, behind: serial !== current.serial };
    }
    const found = await this.#differences(current);
    return found ?? this.#whole();
  }

  /** With an OPT; without one where a server does not know what that is (RFC 6891 section 7). */
  async #ask(query: Uint8Array, take: (message: Uint8Array) => boolean): Promise<void> {
    let isRefused = false;
    let isFirst = true;
    try {
      if (this.#knowsEdns) {
        await this.way.connected().ask(withOpt(query), message => {
          isRefused = isFirst && refusesOpt(message);
          isFirst = false;
          if (isRefused) throw new ShardnsError('ERR_SHARDNS_MESSAGE', 'it does not know EDNS');
          this.#expireSeconds = toldExpire(message) ?? this.#expireSeconds;
          return take(message);
        });
        return;
      }
    } catch (error) {
      if (!isRefused) throw error;
      this.#knowsEdns = false;
    }
    await this.way.connected().ask(query, take);
  }

  /** Queries have their turns meanwhile, and it may be called off. */
  async #inSlices<T>(steps: Iterator<void, T>): Promise<T> {
    const result = await inSlices(steps, this.tools.clock);
    this.way.checkWanted();
    return result;
  }

  #about(): { id: number; apex: Uint8Array } {
    return { id: this.tools.random.uint32() & 0xffff, apex: this.args.apex };
  }

  async #askSoa(): Promise<ResourceRecord> {
    const about = this.#about();
    let soa: ResourceRecord | undefined;
    await this.#ask(soaQuestion(about), message => {
      soa = this.#readSoa(message, about.id);
      return true;
    });
    return soa!;
  }

  #readSoa(message: Uint8Array, id: number): ResourceRecord {
    const wrong = (what: string): ShardnsError => new ShardnsError('ERR_SHARDNS_MESSAGE', `asked for SOA: ${what}`);
    const { apex } = this.args;
    if (message.length < 12 || word(message, 0) !== id || (flagsOf(message) & Flag.QR) === 0)
      throw wrong('no response');
    const rcode = headerRcode(message);
    if (rcode !== 0) throw wrong(`it says ${rcodeName(rcode)}`);
    if ((flagsOf(message) & Flag.AA) === 0) throw wrong('its answer is not authoritative');
    const { answers } = new DecodedResponse(message, 100);
    const soa = answers.find(one => one.type === Type.SOA && equalNames(one.name, apex));
    if (soa === undefined || soaFields(soa.data) === undefined) throw wrong('no SOA record of the zone');
    return soa;
  }

  /** Undefined where all of the zone has to be had. */
  async #differences(current: Zone): Promise<Had | undefined> {
    const about = this.#about();
    const asked = { ...about, type: Type.IXFR };
    const { outcome, octets, records, built, tryWhole } = await this.#transfer(
      asked,
      differencesQuestion(about, current.soa),
      current.serial,
    );
    if (tryWhole !== undefined || outcome === undefined) return undefined;
    if (outcome.kind === 'current') return { kind: 'current', serial: outcome.serial, behind: false };
    if (outcome.kind === 'whole') return await this.#built(built!, octets, records);
    const applied = await this.#inSlices(applying(current, outcome.list, this.args.limits));
    if (typeof applied === 'string') return undefined;
    await this.#checkDigest(applied.zone);
    return { kind: 'new', ...applied, octets, records };
  }

  async #whole(): Promise<Had> {
    const about = this.#about();
    const asked = { ...about, type: Type.AXFR };
    const { built, octets, records } = await this.#transfer(asked, wholeQuestion(about), undefined);
    const { current } = this.args;
    const fetched = await this.#built(built!, octets, records);
    if (fetched.kind === 'new' && current !== undefined && this.args.whole !== true) {
      const { serial } = fetched.zone;
      if (!isNewer(serial, current.serial)) return { kind: 'current', serial, behind: serial !== current.serial };
    }
    return fetched;
  }

  async #built(builder: ZoneBuilder, octets: number, records: number): Promise<Had> {
    const { apex } = this.args;
    const zone = new Zone(apex, await this.#inSlices(builder.building()));
    checkServable(zone);
    await this.#checkDigest(zone);
    return { kind: 'new', zone, difference: undefined, octets, records };
  }

  async #transfer(
    asked: { id: number; apex: Uint8Array; type: typeof Type.AXFR | typeof Type.IXFR },
    query: Uint8Array,
    ours: number | undefined,
  ): Promise<{
    outcome: TransferOutcome | undefined;
    built: ZoneBuilder | undefined;
    octets: number;
    records: number;
    tryWhole?: string;
  }> {
    const { apex, limits } = this.args;
    let built: ZoneBuilder | undefined;
    const sink = {
      begin: () => {
        built = new ZoneBuilder(apex, limits);
      },
      add: (record: ResourceRecord) => {
        built!.add(record);
        return undefined;
      },
    };
    const bounds = { octets: limits.transferOctets, records: 2 * limits.maxRecords + 4 };
    const reader = new TransferReader(asked, ours, sink, bounds);
    let outcome: TransferOutcome | undefined;
    let tryWhole: string | undefined;
    try {
      await this.#ask(query, message => {
        const step = reader.push(message);
        if (step === 'more') return false;
        if ('done' in step) {
          outcome = step.done;
          return true;
        }
        if (step.tryWhole) tryWhole = step.failed;
        throw new ShardnsError('ERR_SHARDNS_MESSAGE', step.failed);
      });
    } catch (error) {
      if (tryWhole === undefined) throw error;
    }
    return { outcome, built, octets: reader.octets, records: reader.records, tryWhole };
  }

  async #checkDigest(zone: Zone): Promise<void> {
    const { needsDigest } = this.args;
    const zonemd = zone.recordsAt(zone.apexNode, Type.ZONEMD).map(one => one.data);
    if (needsDigest !== true && zonemd.length === 0) return;
    const { apex, serial } = zone;
    const verdict = await this.#inSlices(verifyingZonemd({ apex, serial, zonemd, records: () => zone.records() }));
    if (verdict.status === 'failed' || (verdict.status === 'none' && needsDigest === true)) {
      throw new ShardnsError('ERR_SHARDNS_MESSAGE', `zone ${zone.name} ${zone.serial}: ${verdict.reason} (ZONEMD)`);
    }
  }
}

/** An error without an OPT, though the question had one. */
function refusesOpt(message: Uint8Array): boolean {
  const rcode = message.length < 12 ? Rcode.NOERROR : headerRcode(message);
  return (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP) && findOpt(message) === 0;
}

/** A zone that nobody can be referred to is none (RFC 1035 section 5.2); nor is one whose denials cost too much. */
function checkServable(zone: Zone): void {
  const wrong = (what: string): ShardnsError =>
    new ShardnsError('ERR_SHARDNS_MESSAGE', `zone ${zone.name} ${zone.serial}: ${what}`);
  if (zone.rrset(zone.apexNode, Type.NS) < 0) throw wrong('no NS records at its apex');
  const iterations = excessiveIterations(zone);
  if (iterations !== undefined) throw wrong(`NSEC3 of ${iterations} iterations, more than ${MAX_ITERATIONS}`);
}

/** Records that are looked for in one step: some milliseconds. */
const RECORDS_OF_STEP = 1024;

/** Whether a zone has all of these records, or none of them, whatever their TTLs; in steps. */
function* has(which: 'all' | 'none', zone: Zone, records: readonly ResourceRecord[]): Generator<void, boolean> {
  // Name by name: each is taken apart once, however many records it has.
  const ofNames = new Map<string, ResourceRecord[]>();
  for (const record of records) {
    const key = nameKey(foldedName(record.name));
    const known = ofNames.get(key);
    if (known === undefined) ofNames.set(key, [record]);
    else known.push(record);
  }
  let looked = 0;
  for (const ones of ofNames.values()) {
    const { name } = ones[0];
    const cut = labelsAbove(zone.apex, name, 0, name.length);
    const node = cut < 0 ? -1 : zone.find(foldName(name, 0, cut), 0, cut);
    const there = new NameRecords(node < 0 ? [] : zone.recordsOf(node));
    for (const one of ones) if (there.has(one) !== (which === 'all')) return false;
    if ((looked += ones.length + there.size) < RECORDS_OF_STEP) continue;
    looked = 0;
    yield;
  }
  return true;
}

/** The zone that a chain of differences leads to, and the chain as one; or why it does not fit. */
export type Applied = { zone: Zone; difference: Difference } | string;

/** In steps, each of which takes some milliseconds. */
export function* applying(zone: Zone, list: readonly Difference[], limits: ZoneLimits): Generator<void, Applied> {
  const { difference, there, notThere } = yield* condensing(list);
  if (serialOf(difference.before) !== zone.serial) return `differences from serial ${serialOf(difference.before)}`;
  if (!(yield* has('all', zone, there))) return 'a record goes that is not there';
  if (!(yield* has('none', zone, notThere))) return 'a record comes that is there';
  try {
    const changed = yield* changing(
      zone,
      { removed: [zone.soa, ...difference.deleted], added: [difference.after, ...difference.added] },
      limits,
    );
    checkServable(changed);
    return { zone: changed, difference: { ...difference, before: zone.soa } };
  } catch (error) {
    if (!(error instanceof ShardnsError)) throw error;
    return error.message;
  }
}
