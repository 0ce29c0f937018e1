// Whether those that a validating server forwards to pass signatures on (RFC 8027): the upstreams of the default group, and the
// servers of forward zones that have a trust anchor. One that leaves them out makes every signed name bogus: it is passed over
// for what has to prove itself, and told. Where nobody else is left such names are SERVFAIL with extended error 10, which
// the recursor sees to; nothing is believed without its proof because of it.
//
// What is asked is the root, or the zone of the anchor that lies at or below a forward zone: of a zone's own servers others
// cannot be expected to be known. A forward zone without an anchor of its own is not asked about: it may be unsigned. Servers
// that are given by host names there are not asked either.
//
// Bounds: MAX_TARGETS servers, MAX_ASKING of them at a time, with the questions of a probe (resolve/signature-probe.ts) each.
// Once a day; one that is passed over once an hour, so that it is missed no longer; one that does not say every ten minutes.
// Where a zone has nobody else, all is SERVFAIL until one of them heals (a captive portal, a tunnel that is not up yet):
// asked by `lostPatienceMs`. Operators and answers that lack signatures have those asked at once, each once in SOON_MS.
import { Canceller } from '../base/cancel.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { TrustAnchors } from '../dnssec/trust.js';
import { passedOverKey } from '../resolve/recurse/server-choice.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import { anchorToAskFor, type Found, lostPatienceMs, MISSING_MS, probeSignatures } from '../resolve/signature-probe.js';
import type { Exchanger } from '../upstream/exchange.js';
import { Upstream } from '../upstream/upstream.js';
import { encodeName, foldName, nameKey, nameToText } from '../wire/name.js';
import type { ServerSettings } from './settings/settings.js';

const MAX_TARGETS = 1024;
const MAX_ASKING = 4;
const PASSED_MS = 86_400_000;
const UNKNOWN_MS = 600_000;
const SOON_MS = 1000;
/** Signatures that answers lacked, of so many names within a minute: their servers are asked before their day is over. */
const MANY_LACKING = 3;
const LACKING_MS = 60_000;

/** What is passed over, told to all who resolve. */
export interface ProbesUser {
  /** What validation believes in; undefined: nothing is validated. */
  readonly believed: TrustAnchors | undefined;
  /** Upstreams in the place of the root; none where names are resolved from there. */
  readonly forwardedTo: readonly Upstream[];
  /** Servers of zones, by `passedOverKey`. */
  passOver(keys: readonly string[]): void;
}

export interface ProbesParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly exchanger: Exchanger;
  readonly user: ProbesUser;
}

export interface ProbeReport {
  readonly server: string;
  /** The zone that is forwarded to it, `.` for all names. */
  readonly zone: string;
  readonly signatures: 'unknown' | 'passed on' | 'left out' | 'not answered';
  /** What was left out, or said in the place of an answer. */
  readonly reason?: string;
  /** Unix time in seconds; undefined: it was not asked yet. */
  readonly sinceSeconds?: number;
  /** Nobody is left for its zone: what has to prove itself is SERVFAIL. */
  readonly isLost: boolean;
  /** Seconds until it is asked again. */
  readonly nextSeconds: number;
}

interface Target {
  readonly key: string;
  readonly upstream: Upstream;
  readonly zone: Uint8Array;
  readonly zoneKey: string;
  readonly anchor: Uint8Array;
  readonly tcp: boolean;
  signatures: ProbeReport['signatures'];
  reason: string | undefined;
  sinceSeconds: number | undefined;
  /** When it was asked last; undefined: not yet. */
  askedMs: number | undefined;
  /** In a row that were not good. */
  failures: number;
  /** Wanted before its time. */
  soon: boolean;
}

const ROOT = Uint8Array.of(0);

export class SignatureProbes {
  #settings: ServerSettings | undefined;
  #targets = new Map<string, Target>();
  #timer: Timer | undefined;
  #begun = false;
  #closed = false;
  #asking: Promise<void> | undefined;
  readonly #cancel = new Canceller();
  /** Zones of which nobody is left. */
  #lost = new Set<string>();
  #passedOver: readonly string[] = [];
  /** Names whose answers lacked signatures, since when. */
  readonly #lacking = new Set<string>();
  #lackingSinceMs = 0;

  constructor(private readonly parts: ProbesParts) {}

  get report(): ProbeReport[] {
    const lost = this.#lostZones();
    return [...this.#targets.values()].map(target => {
      const { upstream, zone, signatures, reason, sinceSeconds } = target;
      const [isLost, nextSeconds] = [lost.has(target.zoneKey), Math.ceil(this.#leftMs(target, lost) / 1000)];
      return { server: upstream.label, zone: nameToText(zone), signatures, reason, sinceSeconds, isLost, nextSeconds };
    });
  }

  /** Settings that are in force. */
  use(settings: ServerSettings): void {
    this.#settings = settings;
    this.changed();
    void this.askAgain();
  }
  /** Asks those at once that did not pass signatures on. Settled when they have said so or had their time; never rejects. */
  async askAgain(): Promise<void> {
    for (const one of this.#targets.values()) if (one.signatures !== 'passed on') [one.soon, one.failures] = [true, 0];
    if (!this.#begun) return;
    this.#schedule();
    // Those that were asked a moment ago have their next turn by the timer.
    if (this.#asking === undefined && this.#due().length > 0) {
      this.#timer?.cancel();
      await this.#askDue();
    } else await this.#asking;
  }
  /**
   * An answer lacked its signatures. Of several names: whoever has passed signatures on is asked whether it still does.
   * @param name as text
   */
  lacking(name: string): void {
    const now = this.parts.clock.nowMs();
    if (this.#lackingSinceMs + LACKING_MS < now) this.#lacking.clear();
    if (this.#lacking.size === 0) this.#lackingSinceMs = now;
    this.#lacking.add(name);
    if (this.#lacking.size < MANY_LACKING) return;
    this.#lacking.clear();
    // A zone may be broken where no server is at fault: not more than once in that time.
    for (const one of this.#targets.values()) if ((one.askedMs ?? -Infinity) + LACKING_MS <= now) one.soon = true;
    if (this.#begun) this.#schedule();
  }
  /** The upstreams are others than before, or the anchors. Those that stay keep what is known of them. */
  changed(): void {
    if (this.#settings === undefined || this.#closed) return;
    const before = this.#targets;
    this.#targets = new Map(
      this.#wanted(this.#settings)
        .slice(0, MAX_TARGETS)
        .map(one => {
          const known = before.get(one.key);
          const isSame = known?.upstream.label === one.upstream.label && nameKey(known.anchor) === nameKey(one.anchor);
          return [one.key, isSame ? known! : one];
        }),
    );
    this.#tell();
    if (this.#begun) this.#schedule();
  }

  begin(): void {
    this.#begun = true;
    this.#schedule();
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#cancel.cancel();
  }

  #wanted(settings: ServerSettings): Target[] {
    const { user, clock } = this.parts;
    const anchors = user.believed;
    if (anchors === undefined) return [];
    const targetsOf = (zone: Uint8Array, servers: () => readonly Upstream[], tcp: boolean): Target[] => {
      const anchor = anchorToAskFor(anchors, zone);
      if (anchor === undefined) return [];
      const zoneKey = nameKey(zone);
      return servers().map(upstream => {
        const key = passedOverKey(upstream, zoneKey);
        const none = { reason: undefined, sinceSeconds: undefined, askedMs: undefined };
        return { key, upstream, zone, zoneKey, anchor, tcp, signatures: 'unknown', ...none, failures: 0, soon: false };
      });
    };
    const serverOf = (text: string): Upstream[] => {
      const server = parseZoneServer(text);
      if ('name' in server) return [];
      const { address, family, port = settings.resolver.port, way } = server;
      return [new Upstream({ address, family, port, tls: way?.tls, path: way?.path }, clock, way?.scheme)];
    };
    return [
      ...targetsOf(ROOT, () => user.forwardedTo, false),
      ...settings.forwardZones.flatMap(({ name, servers, tcp }) =>
        targetsOf(foldName(encodeName(name)), () => servers.flatMap(serverOf), tcp),
      ),
    ];
  }

  /** Zones of which nobody passes signatures on, or may do so, by their keys. */
  #lostZones(): Set<string> {
    const all = [...this.#targets.values()];
    const lost = new Set(all.map(one => one.zoneKey));
    for (const { zoneKey, signatures } of all) {
      if (signatures !== 'left out' && signatures !== 'not answered') lost.delete(zoneKey);
    }
    return lost;
  }
  /** Those that are to be asked now. */
  #due(): Target[] {
    const lost = this.#lostZones();
    return [...this.#targets.values()].filter(one => this.#leftMs(one, lost) === 0);
  }
  /** Milliseconds until it is to be asked. */
  #leftMs(target: Target, lost: ReadonlySet<string>): number {
    const { askedMs, soon, failures, signatures } = target;
    if (askedMs === undefined) return 0;
    const ordinaryMs = signatures === 'passed on' ? PASSED_MS : signatures === 'left out' ? MISSING_MS : UNKNOWN_MS;
    const patienceMs = soon ? SOON_MS : lost.has(target.zoneKey) ? lostPatienceMs(failures) : ordinaryMs;
    return Math.max(0, askedMs + patienceMs - this.parts.clock.nowMs());
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#closed || this.#asking !== undefined || this.#targets.size === 0) return;
    const lost = this.#lostZones();
    const leftMs = Math.min(...[...this.#targets.values()].map(one => this.#leftMs(one, lost)));
    this.#timer = this.parts.clock.after(leftMs, () => void this.#askDue());
  }

  /** Never rejects. */
  #askDue(): Promise<void> {
    return (this.#asking ??= this.#askAllDue());
  }
  async #askAllDue(): Promise<void> {
    const due = this.#due()[Symbol.iterator]();
    const ask = async (): Promise<void> => {
      for (const target of due) if (!this.#closed) await this.#probe(target);
    };
    await Promise.all(Array.from({ length: MAX_ASKING }, ask));
    this.#asking = undefined;
    if (this.#closed) return;
    this.#tell();
    this.#schedule();
  }

  async #probe(target: Target): Promise<void> {
    const { clock, random, log, exchanger } = this.parts;
    let found: Found = { signatures: 'not answered', reason: 'does not answer questions for DNSKEY records' };
    target.soon = false;
    try {
      const { deadlineMs: timeoutMs } = exchanger.options;
      const { udpSize } = this.#settings!.upstream;
      found = await probeSignatures(target, { exchanger, random, udpSize, timeoutMs, cancel: this.#cancel });
    } catch (error) {
      if (!(error instanceof ShardnsError))
        log.error({ err: error }, 'an upstream could not be probed: a mistake of ours');
    }
    target.askedMs = clock.nowMs();
    const { signatures, reason } = found;
    target.failures = signatures === 'passed on' ? 0 : target.failures + 1;
    const before = target.signatures;
    // No answer says nothing of its answers: what leaves signatures out is passed over until it shows some.
    if (before === signatures || (before === 'left out' && signatures === 'not answered')) return;
    // One that has passed them on is not called another for a single silence.
    if (before === 'passed on' && signatures === 'not answered' && target.failures < 2) {
      target.soon = true;
      return;
    }
    Object.assign(target, { signatures, reason, sinceSeconds: clock.wallSeconds() });
    const fields = { upstream: target.upstream.label, zone: nameToText(target.zone), reason };
    if (signatures === 'left out') {
      log.warn(fields, 'an upstream leaves DNSSEC records out: it is passed over for what has to prove itself');
    } else if (signatures === 'not answered') {
      log.warn(fields, 'an upstream has no answers about DNSSEC records: what it says cannot be proven');
    } else if (before !== 'unknown') log.info(fields, 'an upstream passes DNSSEC records on again');
  }

  /** Has those passed over that leave signatures out, and says where nobody is left. */
  #tell(): void {
    const { user, log } = this.parts;
    const all = [...this.#targets.values()];
    const passedOver = all.filter(one => one.signatures === 'left out').map(one => one.key);
    if (passedOver.length !== this.#passedOver.length || passedOver.some((key, i) => key !== this.#passedOver[i])) {
      this.#passedOver = passedOver;
      user.passOver(passedOver);
    }
    const lostZones = this.#lostZones();
    const lost = new Map(all.filter(one => lostZones.has(one.zoneKey)).map(one => [nameToText(one.zone), one]));
    for (const [zone, target] of lost) {
      if (this.#lost.has(zone)) continue;
      const text =
        'no server is left that passes DNSSEC records on: what has to prove itself is SERVFAIL; they are asked again after 1, 2, 4 and up to 60 seconds';
      log.error({ zone, nextSeconds: Math.ceil(this.#leftMs(target, lostZones) / 1000) }, text);
    }
    const served = new Set(all.map(one => nameToText(one.zone)));
    for (const zone of this.#lost) {
      if (served.has(zone) && !lost.has(zone))
        log.info({ zone }, 'a server passes DNSSEC records on again: names are resolved');
    }
    this.#lost = new Set(lost.keys());
  }
}
