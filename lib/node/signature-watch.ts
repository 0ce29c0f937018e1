// Which of a program's servers leave out what answers prove themselves by (RFC 8027): asked when an answer lacked it, passed
// over for an hour then, as behind a server. Where nobody else is left they are asked again with the program's questions, so
// that it goes on soon after a captive portal, or a tunnel that is not up yet: nothing here runs by a timer.
//
// Bounds: the servers of now (8), each with the questions of a probe (resolve/signature-probe.ts) once in a minute at the
// most, or by `lostPatienceMs`; each question is waited for a second at the most.
import { Canceller } from '../base/cancel.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import type { TrustAnchors } from '../dnssec/trust.js';
import { passedOverKey } from '../resolve/recurse/server-choice.js';
import { anchorToAskFor, type Found, lostPatienceMs, MISSING_MS, probeSignatures } from '../resolve/signature-probe.js';
import type { Exchanger } from '../upstream/exchange.js';
import type { Upstream } from '../upstream/upstream.js';
import { nameKey } from '../wire/name.js';

const ROOT = Uint8Array.of(0);
const ROOT_KEY = nameKey(ROOT);
/** A zone may be broken where no server is at fault. */
const AGAIN_MS = 60_000;
const QUESTION_MS = 1000;

export interface SignatureWatchParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly udpSize: number;
  readonly anchors: TrustAnchors;
  /** Those of the moment. */
  readonly upstreams: () => readonly Upstream[];
  readonly exchanger: () => Exchanger;
}

interface Known {
  askedMs: number;
  /** In a row that were not good. */
  failures: number;
  /** What it leaves out, in words; undefined: nothing that is known of. */
  missing: string | undefined;
}

export class SignatureWatch {
  /** By the labels of servers. */
  readonly #known = new Map<string, Known>();
  readonly #cancel = new Canceller();
  #looking: Promise<void> | undefined;

  constructor(private readonly parts: SignatureWatchParts) {}

  /** Servers that leave signatures out, for `RecursorOptions.passedOver`; undefined: none that is known of. */
  get passedOver(): ReadonlySet<string> | undefined {
    if (this.#known.size === 0) return undefined;
    const keys = this.#missing.map(one => passedOverKey(one, ROOT_KEY));
    return keys.length === 0 ? undefined : new Set(keys);
  }
  /** Set where each of the servers leaves signatures out: which, and what. */
  get whyLost(): string | undefined {
    const missing = this.#known.size === 0 ? [] : this.#missing;
    if (missing.length === 0 || missing.length < this.parts.upstreams().length) return undefined;
    const each = missing.map(one => `${one.label} ${this.#known.get(one.label)!.missing}`);
    const what = missing.length === 1 ? 'it says' : 'they say';
    return `${each.join(', ')} (RFC 8027): nothing that ${what} can be proven`;
  }

  /** Asks those that are due. Settled when they have said so, or had their time; never rejects. */
  look(): Promise<void> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }
  async #look(): Promise<void> {
    const { anchors, upstreams, clock } = this.parts;
    const anchor = anchorToAskFor(anchors, ROOT);
    if (anchor === undefined) return;
    const all = upstreams();
    for (const label of this.#known.keys()) if (!all.some(one => one.label === label)) this.#known.delete(label);
    const isLost = this.whyLost !== undefined;
    const now = clock.nowMs();
    const isDue = ({ label }: Upstream): boolean => {
      const known = this.#known.get(label);
      if (known === undefined) return true;
      const ordinaryMs = known.missing === undefined ? AGAIN_MS : MISSING_MS;
      return known.askedMs + (isLost ? lostPatienceMs(known.failures) : ordinaryMs) <= now;
    };
    await Promise.all(all.filter(isDue).map(one => this.#probe(one, anchor)));
  }

  clear(): void {
    this.#known.clear();
  }
  close(): void {
    this.#cancel.cancel();
  }

  /** Of the servers of now; for an hour. */
  get #missing(): Upstream[] {
    const since = this.parts.clock.nowMs() - MISSING_MS;
    return this.parts.upstreams().filter(({ label }) => {
      const known = this.#known.get(label);
      return known?.missing !== undefined && known.askedMs > since;
    });
  }

  async #probe(upstream: Upstream, anchor: Uint8Array): Promise<void> {
    const { clock, random, udpSize, exchanger: exchangerOf } = this.parts;
    const exchanger = exchangerOf();
    const timeoutMs = Math.min(QUESTION_MS, exchanger.options.deadlineMs);
    const way = { exchanger, random, udpSize, timeoutMs, cancel: this.#cancel };
    let found: Found = { signatures: 'not answered', reason: undefined };
    try {
      found = await probeSignatures({ upstream, anchor, tcp: false }, way);
    } catch (error) {
      if (!(error instanceof ShardnsError)) throw error;
    }
    const { signatures, reason } = found;
    const before = this.#known.get(upstream.label);
    // No answer says nothing of its answers: what leaves signatures out is passed over until it shows some.
    const missing = signatures === 'left out' ? reason : signatures === 'not answered' ? before?.missing : undefined;
    const failures = signatures === 'passed on' ? 0 : (before?.failures ?? 0) + 1;
    this.#known.set(upstream.label, { askedMs: clock.nowMs(), failures, missing });
  }
}
