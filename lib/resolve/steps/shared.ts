// Step: what other instances of a fleet have found out already. It is asked for on a miss, for a few milliseconds: then the
// recursor or the upstreams are asked beside it, and whoever answers first is told. What those find is shared in turn (Keep).
//
// Shared is what anybody would be told: no answer of a tenant or a view, for a client's subnet, of a group that a hook has
// named, or translated for some (DNS64); and none where lists have rules about who serves a zone. Local data comes before
// this step.
import type { Timer } from '../../base/clock.js';
import type { Due } from '../../base/equal-timers.js';
import type { SecondLevel, SharedAnswer, SharedReader } from '../../cache/answers/second-level.js';
import { AnsweredBy } from '../../native/binding.js';
import type { Query } from '../../wire/query.js';
import { type Flyer, isKept } from '../asker.js';
import type { Landing } from '../forwarding.js';
import type { Outcome } from '../outcome.js';
import type { StepParts } from './step.js';

/** Asks whoever would be asked without a fleet. @returns undefined where `landing` is told */
type Next = (landing: Landing) => Outcome | Promise<Outcome> | undefined;

/** @param group of upstreams that the hook named */
export function askFleet(
  query: Query,
  asker: Flyer,
  group: string | undefined,
  its: SharedReadParts,
): Outcome | Promise<Outcome> | undefined {
  const { landing, next, parts } = its;
  const { level } = parts.context;
  if (level === undefined || !mayShare(query, asker, group, parts)) return next(landing);
  asker.flight.sharedSinceMs = parts.clock.nowMs();
  return new SharedRead(query, asker, level, its).begin();
}

function mayShare(query: Query, asker: Flyer, group: string | undefined, { context }: StepParts): boolean {
  const { options } = context;
  return (
    asker.tenant === 0 &&
    isKept(query) &&
    (group === undefined || group === 'default') &&
    asker.translation === undefined &&
    // Rules about who serves a name's zone need to know who that is, which the answer does not say.
    context.servedZones?.wanted !== true &&
    !(options.forwardClientSubnet && query.clientSubnet !== undefined) &&
    options.dns64?.hasSay(query, 0) !== true
  );
}

interface SharedReadParts {
  readonly landing: Landing;
  readonly next: Next;
  readonly parts: StepParts;
}

/** One question's read. Both it and what is asked beside it may come first; the other one is not listened to. */
class SharedRead implements SharedReader, Landing, Due {
  #timer: Timer | undefined;
  #goesOn = false;
  #landed = false;

  constructor(
    private readonly query: Query,
    private readonly asker: Flyer,
    private readonly level: SecondLevel,
    private readonly its: SharedReadParts,
  ) {}

  begin(): Outcome | Promise<Outcome> | undefined {
    const { level } = this;
    const { next, landing } = this.its;
    if (!level.read(this.query, this)) return next(landing);
    if (!this.#goesOn && !this.#landed) this.#hedge(level.hedgeMs);
    return undefined;
  }

  found(answer: SharedAnswer): void {
    if (this.#landed) return;
    const { keep, context } = this.its.parts;
    const { query, asker } = this;
    const isWanted = asker.fresh !== true || answer.remainingSeconds > answer.ageSeconds;
    try {
      // A refresh wants what is younger than what is about to end.
      if (!isWanted || !keep.shared(query, asker, answer, context.options.denials)) {
        if (isWanted) this.level.unusable();
        this.absent();
      } else if (answer.remainingSeconds <= 0) {
        if (context.options.staleEnabled) asker.flight.stale ??= { kind: 'cached', tenant: asker.tenant };
        this.absent();
      } else {
        // What comes beside it is not kept: nobody would say what was forgotten meanwhile.
        if (this.#goesOn) asker.flight.outdated = true;
        asker.flight.answeredBy = AnsweredBy.secondLevel;
        this.landed({ kind: 'cached', tenant: asker.tenant });
      }
    } catch (error) {
      this.crashed(error);
    }
  }
  absent(): void {
    this.#goOn();
  }
  farther(ms: number): void {
    if (this.#goesOn || this.#landed) return;
    this.#timer?.cancel();
    this.#hedge(ms);
  }

  #hedge(ms: number): void {
    this.#timer = this.its.parts.soon.after(ms, this);
  }
  timeIsUp(): void {
    this.#goOn();
  }

  #goOn(): void {
    if (this.#goesOn || this.#landed) return;
    this.#goesOn = true;
    this.#timer?.cancel();
    let outcome: Outcome | Promise<Outcome> | undefined;
    try {
      outcome = this.its.next(this);
    } catch (error) {
      this.crashed(error);
      return;
    }
    if (outcome instanceof Promise) {
      outcome.then(
        found => this.landed(found),
        (error: unknown) => this.crashed(error),
      );
    } else if (outcome !== undefined) {
      this.landed(outcome);
    }
  }

  landed(outcome: Outcome): void {
    if (this.#end()) this.its.landing.landed(outcome);
  }
  crashed(error: unknown): void {
    if (this.#end()) this.its.landing.crashed(error);
  }
  #end(): boolean {
    if (this.#landed) return false;
    this.#landed = true;
    this.#timer?.cancel();
    return true;
  }
}
