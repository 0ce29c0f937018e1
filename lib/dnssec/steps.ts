// Steps that may have to wait: generators that yield what they want to know, so that they run with and without waiting. A
// question for records brings a response, or why there is none; a check of a signature, for the pool, whether it is good.
import { ExtendedError, Rcode, rcodeName } from '../wire/iana.js';
import type { Rrset } from '../wire/rrset.js';
import { type Check, isGood, isGoodInPool } from './check.js';
import type { Ede } from './verdict.js';

/** A response to a question for keys or DS records; sections as RRsets. */
export interface Fetched {
  rcode: number;
  answer: readonly Rrset[];
  authority: readonly Rrset[];
  /** The zone whose servers answered, folded, where the caller knows: a hint that saves questions, and proves nothing. */
  zone?: Uint8Array;
}
/** That no response came, and why: `failure` is for logs, and for the client's extra text. */
export interface FetchFailure {
  failure: string;
  ede?: Ede;
}
export interface Wanted {
  name: Uint8Array;
  type: number;
}
export type Answered = Fetched | FetchFailure;
export type Steps<T> = Generator<Wanted | Check, T, Answered | boolean>;

/**
 * Asks for DNSKEY or DS records: the response, or a promise of it. Where none came: undefined, a failure, or an exception.
 */
export type FetchRecords = (
  name: Uint8Array,
  type: number,
) => Fetched | FetchFailure | undefined | Promise<Fetched | FetchFailure | undefined>;

/** Runs steps to their end, and waits only where an answer is awaited. Fails only where a step does. */
export function run<T>(steps: Steps<T>, fetchRecords: FetchRecords): T | Promise<T> {
  let step = steps.next();
  while (step.done !== true) {
    const answered = answer(step.value, fetchRecords);
    if (answered instanceof Promise) return wait(steps, answered, fetchRecords);
    step = steps.next(answered);
  }
  return step.value;
}

async function wait<T>(steps: Steps<T>, first: Promise<Answered | boolean>, fetchRecords: FetchRecords): Promise<T> {
  let step = steps.next(await first);
  while (step.done !== true) {
    const answered = answer(step.value, fetchRecords);
    step = steps.next(answered instanceof Promise ? await answered : answered);
  }
  return step.value;
}

/** The same for steps that only check, on this thread. */
export function runChecks<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next(isGood(step.value as Check));
  return step.value;
}

const answer = (
  wanted: Wanted | Check,
  fetchRecords: FetchRecords,
): Answered | boolean | Promise<Answered | boolean> =>
  'signature' in wanted ? isGoodInPool(wanted) : ask(wanted, fetchRecords);

function ask({ name, type }: Wanted, fetchRecords: FetchRecords): Answered | Promise<Answered> {
  try {
    const fetched = fetchRecords(name, type);
    return fetched instanceof Promise ? fetched.then(readAnswer, thrown) : readAnswer(fetched);
  } catch {
    return thrown();
  }
}

/** What an exception says is about the caller's own network: not for a client's eyes. */
const thrown = (): FetchFailure => ({ failure: 'could not be fetched', ede: ExtendedError.networkError });

/** Only NOERROR and NXDOMAIN say something of the zone; SERVFAIL, REFUSED and the like of the server. */
function readAnswer(fetched: Fetched | FetchFailure | undefined): Answered {
  if (fetched === undefined) return { failure: 'no answer', ede: ExtendedError.noReachableAuthority };
  if ('failure' in fetched) return fetched;
  const { rcode } = fetched;
  if (rcode === (Rcode.NOERROR as number) || rcode === (Rcode.NXDOMAIN as number)) return fetched;
  return { failure: rcodeName(rcode), ede: ExtendedError.noReachableAuthority };
}
