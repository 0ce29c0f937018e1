// Whether the times of a trust anchor's signatures speak against this machine's clock: where all of them are still to come, or
// all are over, it is the clock that is wrong more often than the zone (a board without a battery, a snapshot of a virtual
// machine). It changes no verdict: what is not valid by the clock is bogus.
import { parseSignature, serialDifference } from './signature.js';
import { DEFAULT_INCEPTION_SKEW, type ValidationPolicy } from './verdict.js';

export interface ClockDoubt {
  /** `behind`: signatures begin later than the clock says it is; `ahead`: they were over before. */
  clock: 'behind' | 'ahead';
  /** What the clock says, and the time of the signature that is nearest to it: seconds since 1970. */
  now: number;
  signed: number;
}

/**
 * @param signatures data of the RRSIGs over the zone's keys; without any nothing is doubted
 * @param now seconds since 1970
 */
export function clockDoubt(
  signatures: readonly Uint8Array[],
  now: number,
  { inceptionSkew = DEFAULT_INCEPTION_SKEW, expirationSkew = 0 }: ValidationPolicy,
): ClockDoubt | undefined {
  const time = Math.floor(now);
  const parsed = signatures.map(parseSignature).filter(one => one !== undefined);
  if (parsed.length === 0) return undefined;
  const toCome = parsed.map(one => serialDifference(one.inception, time));
  if (toCome.every(left => left > inceptionSkew)) {
    return { clock: 'behind', now: time, signed: time + Math.min(...toCome) };
  }
  const over = parsed.map(one => serialDifference(time, one.expiration));
  if (over.every(since => since > expirationSkew)) {
    return { clock: 'ahead', now: time, signed: time - Math.min(...over) };
  }
  return undefined;
}

const timeText = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

/** For people. */
export function clockDoubtText({ clock, now, signed }: ClockDoubt): string {
  const what = clock === 'behind' ? 'begin no earlier than' : 'were over by';
  return `the machine's clock seems wrong: it says ${timeText(now)}, and the signatures of a trust anchor's keys ${what} ${timeText(signed)}`;
}
