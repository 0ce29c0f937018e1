// Whether those that a validating server forwards to pass signatures on (RFC 8027): the upstreams of the default group, and the
// servers of forward zones that have a trust anchor. One that leaves them out makes every signed name bogus: it is passed over
// for what has to prove itself, and told. Where nobody else is left such names are SERVFAIL with extended error 10, which
// the recursor sees to; nothing is believed without its proof because of it.
//
// What is asked is the root, or the zone of the anchor that lies at or below a forward zone: of a zone's own servers others
// cannot be expected to be known. A forward zone without an anchor of its own is not asked about: it may be unsigned. Servers
// that are given by host names there are not asked either.
//
// Bounds: MAX_TARGETS servers, MAX_ASKING of them at a time, with three questions each and one more for each that shows
// something missing; one packet that somebody has forged is not enough. Once a day; one that is passed over once an hour, so
// that it is missed no longer; one that does not say every ten minutes.
import { Canceller } from '../base/cancel.js';
import type { Clock, Timer } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { below, type Random } from '../base/random.js';
import { missingIn, type Shown, signatureQuestions } from '../dnssec/signature-questions.js';
import type { TrustAnchors } from '../dnssec/trust.js';
import { passedOverKey } from '../resolve/recurse/server-choice.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import { buildServerQuery } from '../resolve/upstream-query.js';
import type { Exchanger } from '../upstream/exchange.js';
import { Upstream } from '../upstream/upstream.js';
import { decodeMessage, MAX_RESPONSE_RECORDS, rcodeOf } from '../wire/message.js';
import { encodeName, foldName, isAtOrBelow, nameKey, nameToText } from '../wire/name.js';
import type { ServerSettings } from './settings/settings.js';

const MAX_TARGETS = 1024;
const MAX_ASKING = 4;
const PASSED_MS = 86_400_000;
const MISSING_MS = 3_600_000;
const UNKNOWN_MS = 600_000;

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
  readonly signatures: 'unknown' | 'passed on' | 'left out';
  /** What was left out. */
  readonly reason?: string;
  /** Unix time in seconds; undefined: it has not said yet. */
  readonly sinceSeconds?: number;
}

interface Target {
  readonly key: string;
  readonly upstream: Upstream;
  readonly zone: Uint8Array;
  readonly anchor: Uint8Array;
  readonly tcp: boolean;
  signatures: ProbeReport['signatures'];
  reason: string | undefined;
  sinceSeconds: number | undefined;
  dueMs: number;
}

const ROOT = Uint8Array.of(0);

export class SignatureProbes {
  #settings: ServerSettings | undefined;
  #targets = new Map<string, Target>();
  #timer: Timer | undefined;
  #begun = false;
  #closed = false;
  #asking = false;
  readonly #cancel = new Canceller();
  /** Zones of which nobody is left. */
  #lost = new Set<string>();
  #passedOver: readonly string[] = [];

  constructor(private readonly parts: ProbesParts) {}

  get report(): ProbeReport[] {
    return [...this.#targets.values()].map(({ upstream, zone, signatures, reason, sinceSeconds }) => {
      return { server: upstream.label, zone: nameToText(zone), signatures, reason, sinceSeconds };
    });
  }

  /** Settings that are in force. */
  use(settings: ServerSettings): void {
    this.#settings = settings;
    this.changed();
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
    const anchored = anchors.all.map(one => one.zone);
    const targetsOf = (zone: Uint8Array, servers: () => readonly Upstream[], tcp: boolean): Target[] => {
      const anchor = shortestBelow(anchored, zone);
      if (anchor === undefined) return [];
      return servers().map(upstream => {
        const key = passedOverKey(upstream, nameKey(zone));
        const state = { signatures: 'unknown', reason: undefined, sinceSeconds: undefined, dueMs: 0 } as const;
        return { key, upstream, zone, anchor, tcp, ...state };
      });
    };
    const serverOf = (text: string): Upstream[] => {
      const server = parseZoneServer(text);
      if (server instanceof Uint8Array) return [];
      const { address, family, port = settings.resolver.port } = server;
      return [new Upstream({ address, family, port }, clock)];
    };
    return [
      ...targetsOf(ROOT, () => user.forwardedTo, false),
      ...settings.forwardZones.flatMap(({ name, servers, tcp }) =>
        targetsOf(foldName(encodeName(name)), () => servers.flatMap(serverOf), tcp),
      ),
    ];
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#closed || this.#asking || this.#targets.size === 0) return;
    const dueMs = Math.min(...[...this.#targets.values()].map(one => one.dueMs));
    this.#timer = this.parts.clock.after(Math.max(0, dueMs - this.parts.clock.nowMs()), () => void this.#askDue());
  }

  /** Never rejects. */
  async #askDue(): Promise<void> {
    const { clock } = this.parts;
    this.#asking = true;
    const now = clock.nowMs();
    const due = [...this.#targets.values()].filter(one => one.dueMs <= now)[Symbol.iterator]();
    const ask = async (): Promise<void> => {
      for (const target of due) if (!this.#closed) await this.#probe(target);
    };
    await Promise.all(Array.from({ length: MAX_ASKING }, ask));
    this.#asking = false;
    if (this.#closed) return;
    this.#tell();
    this.#schedule();
  }

  async #probe(target: Target): Promise<void> {
    const { clock, random, log } = this.parts;
    let missing: string | undefined = 'unknown';
    try {
      missing = await this.#missingOf(target, labelOf(random));
    } catch (error) {
      // No answer says nothing of its answers.
      if (!(error instanceof ShardnsError))
        log.error({ err: error }, 'an upstream could not be probed: a mistake of ours');
    }
    if (missing === 'unknown') {
      target.dueMs = clock.nowMs() + UNKNOWN_MS;
      return;
    }
    const signatures = missing === undefined ? 'passed on' : 'left out';
    target.dueMs = clock.nowMs() + (missing === undefined ? PASSED_MS : MISSING_MS);
    if (target.signatures === signatures) return;
    const fields = { upstream: target.upstream.label, zone: nameToText(target.zone), reason: missing };
    if (missing !== undefined) {
      log.warn(fields, 'an upstream leaves DNSSEC records out: it is passed over for what has to prove itself');
    } else if (target.signatures === 'left out') log.info(fields, 'an upstream passes DNSSEC records on again');
    Object.assign(target, { signatures, reason: missing, sinceSeconds: clock.wallSeconds() });
  }

  /** What it leaves out; undefined: nothing. */
  async #missingOf(target: Target, label: string): Promise<string | undefined | 'unknown'> {
    let all: string | undefined = undefined;
    for (const question of signatureQuestions(target.anchor, label)) {
      let missing = missingIn(question, await this.#ask(target, question));
      if (missing !== undefined && missing !== 'unknown') {
        const { again } = question;
        const second = missingIn(again, await this.#ask(target, again));
        if (second === undefined || second === 'unknown') missing = second;
      }
      if (missing !== undefined && missing !== 'unknown') return missing;
      all ??= missing;
    }
    return all;
  }

  async #ask({ upstream, tcp }: Target, { name, type }: { name: Uint8Array; type: number }): Promise<Shown> {
    const { exchanger } = this.parts;
    const flags = { recursionDesired: true, dnssecOk: true, checkingDisabled: true };
    const query = buildServerQuery({ name, type, ...flags }, this.#settings!.upstream.udpSize);
    const patience = { timeoutMs: exchanger.options.deadlineMs, cancel: this.#cancel };
    upstream.inFlight++;
    try {
      const octets = await (tcp
        ? exchanger.askTcp(query, upstream, patience)
        : exchanger.ask(query, upstream, patience));
      const message = decodeMessage(octets, MAX_RESPONSE_RECORDS);
      return { rcode: rcodeOf(message), answers: message.answers, authorities: message.authorities };
    } finally {
      upstream.release();
    }
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
    const useful = new Set(all.filter(one => one.signatures !== 'left out').map(one => nameToText(one.zone)));
    const lost = new Set(all.map(one => nameToText(one.zone)).filter(zone => !useful.has(zone)));
    for (const zone of lost) {
      if (this.#lost.has(zone)) continue;
      const text =
        'no server is left that passes DNSSEC records on: what has to prove itself is SERVFAIL with extended error 10';
      log.error({ zone }, text);
    }
    this.#lost = lost;
  }
}

/** The shortest anchor at or below a zone: of the zone above it another server's word counts. */
function shortestBelow(anchored: readonly Uint8Array[], zone: Uint8Array): Uint8Array | undefined {
  const inside = anchored.filter(one => isAtOrBelow(one, zone));
  return inside.length === 0 ? undefined : inside.reduce((a, b) => (b.length < a.length ? b : a));
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const LABEL_SIZE = 12;
const labelOf = (random: Random): string =>
  Array.from({ length: LABEL_SIZE }, () => LETTERS[below(random, LETTERS.length)]).join('');
