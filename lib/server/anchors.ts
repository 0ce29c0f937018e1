// The server's trust anchors: as they are configured, or, with `dnssec.anchorFile`, following their zones' keys (RFC 5011). It
// looks at each zone's keys when that is due, keeps the states in the file, and has validation believe what they say, in all
// threads: this is the one writer, others are given copies.
//
// A file that is not what it should be is told and left as it is; the configured anchors count then, and follow nothing.
//
// Bounds: those of the options' anchors; MAX_LOOKS looks at a time, at each zone once an hour at the most but for those that people
// ask for; one write at a time.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { jittered } from '../dnssec/anchor-states.js';
import {
  allAnchorLines,
  type AnchorChange,
  anchorLines,
  followConfigured,
  type FollowedZone,
  isLost,
  observeZone,
  shownFixed,
} from '../dnssec/anchor-zone.js';
import { Budget } from '../dnssec/budget.js';
import { keyTag } from '../dnssec/key.js';
import { ROOT_ANCHORS, TrustAnchors } from '../dnssec/trust.js';
import type { ValidationPolicy } from '../dnssec/verdict.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import { readAnchorFile, whyNotWritten, writeAnchorFile } from './anchor-file.js';
import { type AnchorsReport, zoneReportOf } from './anchors-report.js';
import { negativeAnchorReports } from './negative-anchors.js';
import type { Prepared } from './prepared.js';
import { validates } from './settings/resolution.js';
import { policyOf } from './settings/dnssec.js';
import type { ServerSettings } from './settings/settings.js';

const MAX_LOOKS = 8;
/** Timers stand while the machine sleeps, and clocks are set: how long one waits before it looks at the time again. */
const MAX_SLEEP_MS = 3_600_000;
/** RFC 5011 section 2.3: no two looks are further apart, whatever a file of a time with another clock says. */
const MAX_WAIT_SECONDS = 15 * 86_400;

/** What is believed, and by whom it is fetched. */
export interface AnchorUser {
  /** DNSKEY records of a zone, from its servers. Rejects where they cannot be had. */
  fetchKeys(zone: Uint8Array): Promise<Rrset | undefined>;
  /**
   * Has these anchors believed from now on; undefined: those of the settings.
   * @param zones whose anchors are others than before
   */
  believe(lines: readonly string[] | undefined, zones: readonly Uint8Array[]): void;
}

export interface AnchorsParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly user: AnchorUser;
  /** In the place of what settings say of algorithms and times. */
  readonly policy?: ValidationPolicy;
}

interface State {
  readonly settings: ServerSettings;
  /** Undefined: they follow nothing. */
  readonly file: string | undefined;
  zones: FollowedZone[];
  /** Of a file that is not used. */
  unread: string | undefined;
  unwritten: string | undefined;
}

const anchorsOfSettings = ({ dnssec }: ServerSettings): TrustAnchors =>
  new TrustAnchors(dnssec.trustAnchors ?? ROOT_ANCHORS);

export class Anchors {
  #state: State | undefined;
  #timer: Timer | undefined;
  #begun = false;
  #closed = false;
  #looking: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  readonly #problems = new Map<string, string>();
  #probes = 0;
  #failures = 0;

  constructor(private readonly parts: AnchorsParts) {}

  /** The file is read when it is named anew, or was not what it should be. */
  prepare(settings: ServerSettings): Prepared {
    const before = this.#state;
    const file = validates(settings) ? settings.dnssec.anchorFile : undefined;
    const isKept = file !== undefined && before?.file === file && before.unread === undefined;
    const read = isKept || file === undefined ? undefined : readOrWhyNot(file);
    return {
      commit: () => {
        // What has been seen meanwhile counts.
        const known = isKept ? (this.#state?.zones ?? []) : (read?.zones ?? []);
        const unread = isKept ? undefined : read?.problem;
        const isFollowed = file !== undefined && unread === undefined;
        const zones = isFollowed ? merged(known, settings) : [];
        const unwritten = isFollowed ? whyNotWritten(file) : undefined;
        const believed = this.#linesByZone;
        this.#state = { settings, file, zones, unread, unwritten };
        this.#tellOfFile(isKept);
        this.parts.user.believe(this.#lines, changedZones(believed, this.#linesByZone));
        for (const name of this.#problems.keys()) {
          if (!zones.some(one => one.zone === name)) this.#problems.delete(name);
        }
        if (isFollowed && !isDeepStrictEqual(zones, known)) this.#save();
        if (this.#begun) this.#schedule();
      },
      discard: () => {},
    };
  }

  /** Looks at the zones from now on. */
  begin(): void {
    this.#begun = true;
    this.#schedule();
  }

  /** @returns when nothing is written any more */
  close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    return this.#writing;
  }
  /** Resolves when the file has the states of now, or could not be written. */
  get written(): Promise<void> {
    return this.#writing;
  }

  /**
   * Looks at all zones now, and writes what is seen; what goes wrong with a zone is in the report.
   * @throws {ShardnsError} ERR_SHARDNS_OPTION where the anchors follow nothing
   */
  async refresh(): Promise<void> {
    if (!this.#isFollowed) {
      const why = this.#state?.unread ?? 'dnssec.anchorFile is not set, or nothing is validated';
      throw new ShardnsError('ERR_SHARDNS_OPTION', `trust anchors are fixed: ${why}`);
    }
    await this.#look(() => true);
    this.#schedule();
    await this.#writing;
  }

  get report(): AnchorsReport {
    const state = this.#state;
    if (state === undefined) return { validates: false, zones: [], negative: [], probes: 0, failures: 0 };
    const { settings, file, unread, unwritten } = state;
    const problem = unread ?? unwritten;
    return {
      validates: validates(settings),
      file,
      problem,
      zones: this.#isFollowed
        ? state.zones.map(one => ({ ...zoneReportOf(one), problem: this.#problems.get(one.zone) }))
        : anchorsOfSettings(settings).all.map(one => ({ zone: nameToText(one.zone), anchors: shownFixed(one) })),
      negative: negativeAnchorReports(settings, this.parts.clock.wallSeconds()),
      probes: this.#probes,
      failures: this.#failures,
    };
  }

  get #isFollowed(): boolean {
    return this.#state?.file !== undefined && this.#state.unread === undefined;
  }
  get #lines(): readonly string[] | undefined {
    return this.#isFollowed ? allAnchorLines(this.#state!.zones) : undefined;
  }

  /** What is believed of each zone, followed or not. */
  get #linesByZone(): Map<string, readonly string[]> {
    const state = this.#state;
    if (state === undefined) return new Map();
    const zones = this.#isFollowed ? state.zones : merged([], state.settings);
    return new Map(zones.map(one => [one.zone, anchorLines(one)]));
  }

  #tellOfFile(wasUsed: boolean): void {
    const { file, unread, unwritten } = this.#state!;
    const { log } = this.parts;
    if (unread !== undefined) {
      const text =
        'the file of trust anchors is not used, and left as it is: the configured anchors count and follow nothing, ' +
        'until it is mended or removed and the configuration read again';
      log.error({ reason: unread }, text);
    } else if (unwritten !== undefined && !wasUsed) {
      log.warn({ file, reason: unwritten }, 'the file of trust anchors cannot be written: its folder takes no files');
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const state = this.#state;
    if (this.#closed || !this.#isFollowed || state === undefined || state.zones.length === 0) return;
    const now = this.parts.clock.wallSeconds();
    const next = Math.min(...state.zones.map(one => dueAt(one, now)));
    const delayMs = Math.min(Math.max(next - now, 0) * 1000, MAX_SLEEP_MS);
    this.#timer = this.parts.clock.after(delayMs, () => {
      const due = this.parts.clock.wallSeconds();
      void this.#look(one => dueAt(one, due) <= due).then(() => this.#schedule());
    });
  }

  /** One look after another. Never rejects. */
  #look(isMeant: (zone: FollowedZone) => boolean): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      const names = (this.#isFollowed ? this.#state!.zones : []).filter(isMeant).map(one => one.zone);
      const next = names[Symbol.iterator]();
      const look = async (): Promise<void> => {
        for (const name of next) if (!this.#closed) await this.#lookAt(name);
      };
      await Promise.all(Array.from({ length: MAX_LOOKS }, look));
    });
    return this.#looking;
  }

  async #lookAt(name: string): Promise<void> {
    const { clock, random, log, user } = this.parts;
    const zone = foldName(encodeName(name));
    let rrset: Rrset | undefined;
    let problem: string | undefined;
    this.#probes++;
    try {
      rrset = await user.fetchKeys(zone);
      if (rrset === undefined) problem = 'its servers have no DNSKEY records';
    } catch (error) {
      problem = error instanceof Error ? error.message : show(error);
    }
    // Settings may have changed meanwhile.
    const state = this.#state;
    const before = this.#isFollowed ? state?.zones.find(one => one.zone === name) : undefined;
    if (this.#closed || state === undefined || before === undefined) return;
    try {
      const now = clock.wallSeconds();
      const policy = { ...policyOf(state.settings.dnssec), ...this.parts.policy };
      const [anchor] = new TrustAnchors(anchorLines(before)).all;
      const observed = observeZone(before, anchor, rrset, { now, policy, budget: new Budget() });
      if (observed.failure !== undefined) problem = `DNSKEY: ${observed.failure.reason}`;
      const again = jittered(observed.again, random.uint32() / 2 ** 32);
      const after = { ...observed.zone, nextProbe: now + again };
      state.zones = state.zones.map(one => (one === before ? after : one));
      this.#tell(name, problem, observed.changes);
      if (!isDeepStrictEqual(anchorLines(before), anchorLines(after))) user.believe(this.#lines, [zone]);
      this.#save();
    } catch (error) {
      log.error({ err: error, zone: name }, "the keys of a trust anchor's zone could not be judged: a mistake of ours");
      const nextProbe = clock.wallSeconds() + MAX_SLEEP_MS / 1000;
      state.zones = state.zones.map(one => (one === before ? { ...one, nextProbe } : one));
    }
  }

  #tell(zone: string, problem: string | undefined, changes: readonly AnchorChange[]): void {
    const { log } = this.parts;
    if (problem === undefined) {
      if (this.#problems.delete(zone)) log.info({ zone }, "the keys of a trust anchor's zone prove themselves again");
    } else {
      this.#failures++;
      // Told once, until it is another one.
      if (this.#problems.get(zone) !== problem) {
        log.warn({ zone, reason: problem }, "the keys of a trust anchor's zone cannot be followed; it is tried again");
      }
      this.#problems.set(zone, problem);
    }
    for (const { key, from = 'unknown', to = 'removed' } of changes) {
      log.info({ zone, tag: keyTag(key), from, to }, 'a trust anchor has changed its state (RFC 5011)');
    }
    const now = this.#state?.zones.find(one => one.zone === zone);
    if (now !== undefined && isLost(now) && changes.some(one => one.to === 'revoked')) {
      const text =
        'every trust anchor of the zone was revoked: until dnssec.trustAnchors has another it is judged by an anchor above ' +
        'it, and without one all of it is bogus';
      log.error({ zone }, text);
    }
  }

  #save(): void {
    const { log } = this.parts;
    this.#writing = this.#writing.then(async () => {
      const state = this.#state;
      if (!this.#isFollowed || state?.file === undefined) return;
      const { file } = state;
      try {
        await writeAnchorFile(file, state.zones);
        if (state.unwritten !== undefined) log.info({ file }, 'the file of trust anchors is written again');
        state.unwritten = undefined;
      } catch (error) {
        const reason = (error as Error).message;
        if (state.unwritten !== reason) {
          log.error({ reason }, 'the state of trust anchors could not be kept; it counts until the end');
        }
        state.unwritten = reason;
      }
    });
  }
}

const dueAt = ({ nextProbe }: FollowedZone, now: number): number =>
  nextProbe > now + MAX_WAIT_SECONDS ? now : nextProbe;

function readOrWhyNot(file: string): { zones: FollowedZone[]; problem?: string } {
  try {
    return { zones: readAnchorFile(file) ?? [] };
  } catch (error) {
    return { zones: [], problem: (error as Error).message };
  }
}

/** Names of zones of which something else is believed than before. */
function changedZones(
  before: ReadonlyMap<string, readonly string[]>,
  after: ReadonlyMap<string, readonly string[]>,
): Uint8Array[] {
  // At the start nothing is known of any zone yet.
  if (before.size === 0) return [];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const changed = names.filter(name => !isDeepStrictEqual(before.get(name), after.get(name)));
  return changed.map(name => foldName(encodeName(name)));
}

function merged(known: readonly FollowedZone[], settings: ServerSettings): FollowedZone[] {
  return anchorsOfSettings(settings).all.map(anchor => {
    const zone = nameToText(anchor.zone);
    return followConfigured(
      known.find(one => one.zone === zone),
      anchor,
    );
  });
}
