// Steps that may ask: generators that yield the questions they have, so that they run with and without waiting. What
// comes back is a response, or why there is none.
import { ExtendedError, Rcode, rcodeName } from '../wire/iana.js';
import type { Rrset } from '../wire/rrset.js';
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
export type Steps<T> = Generator<Wanted, T, Answered>;

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
    const answered = ask(step.value, fetchRecords);
    if (answered instanceof Promise) return wait(steps, answered, fetchRecords);
    step = steps.next(answered);
  }
  return step.value;
}

async function wait<T>(steps: Steps<T>, first: Promise<Answered>, fetchRecords: FetchRecords): Promise<T> {
  let step = steps.next(await first);
  while (step.done !== true) step = steps.next(await ask(step.value, fetchRecords));
  return step.value;
}

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
