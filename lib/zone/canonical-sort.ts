// Sorts names into canonical order (RFC 4034 section 6.1). Most files are in that order already, or in runs of it: then it
// is one look at each name. Else most comparisons are of two numbers made of a name's first ten octets in that order.
import { compareLabels } from '../dnssec/canonical.js';
import { foldedOctet } from '../wire/name.js';

/** Octets in a key: with the end of a label there are 257 values, nine bits of a number's 53. */
const KEY_OCTETS = 5;

export interface Names {
  octets: Uint8Array;
  /** Where the labels of each begin and end. */
  begin: Uint32Array;
  end: Uint32Array;
}

/** Names that are looked at, or sorted, in one step: some milliseconds. */
const NAMES_OF_STEP = 4096;

/** Numbers of the names in their order. */
export function* sorting({ octets, begin, end }: Names, count: number): Generator<void, Uint32Array> {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  const full = (a: number, b: number): number => compareLabels(octets, begin[a], end[a], octets, begin[b], end[b]);
  let sorted = 1;
  for (; sorted < count && full(sorted - 1, sorted) < 0; sorted++) if (sorted % NAMES_OF_STEP === 0) yield;
  if (sorted >= count) return order;
  const first = new Float64Array(count);
  const second = new Float64Array(count);
  const labels = new Uint16Array(128);
  for (let i = 0; i < count; i++) {
    keysOf(octets, begin[i], end[i], labels, i, first, second);
    if (i % NAMES_OF_STEP === 0) yield;
  }
  const compare = (a: number, b: number): number => first[a] - first[b] || second[a] - second[b] || full(a, b);
  yield* mergeSort(order, compare);
  return order;
}

function keysOf(
  octets: Uint8Array,
  begin: number,
  end: number,
  labels: Uint16Array,
  i: number,
  first: Float64Array,
  second: Float64Array,
): void {
  let count = 0;
  for (let at = begin; at < end; at += 1 + octets[at]) labels[count++] = at - begin;
  let key = 0;
  let taken = 0;
  const take = (value: number): void => {
    key = key * 512 + value;
    if (++taken === KEY_OCTETS) {
      first[i] = key;
      key = 0;
    }
  };
  while (count > 0 && taken < 2 * KEY_OCTETS) {
    const at = begin + labels[--count];
    for (let k = 1; k <= octets[at] && taken < 2 * KEY_OCTETS; k++) take(1 + foldedOctet(octets[at + k]));
    if (taken < 2 * KEY_OCTETS) take(0);
  }
  while (taken < 2 * KEY_OCTETS) take(0);
  second[i] = key;
}

const SHORT = 12;

/** Runs that are in order already cost one comparison. */
function* mergeSort(order: Uint32Array, compare: (a: number, b: number) => number): Generator<void> {
  const spare = new Uint32Array(order.length);
  const insert = (from: number, end: number): void => {
    for (let i = from + 1; i < end; i++) {
      const one = order[i];
      let to = i;
      for (; to > from && compare(order[to - 1], one) > 0; to--) order[to] = order[to - 1];
      order[to] = one;
    }
  };
  // Runs of one length after the other, each twice as long as the one before, so that all of it may stop anywhere.
  let done = 0;
  for (let from = 0; from < order.length; from += SHORT) {
    insert(from, Math.min(from + SHORT, order.length));
    if ((done += SHORT) % (SHORT * 512) === 0) yield;
  }
  for (let run = SHORT; run < order.length; run *= 2) {
    for (let from = 0; from + run < order.length; from += 2 * run) {
      const middle = from + run;
      const end = Math.min(middle + run, order.length);
      if (++done % NAMES_OF_STEP === 0) yield;
      if (compare(order[middle - 1], order[middle]) <= 0) continue;
      spare.set(order.subarray(from, middle), from);
      let left = from;
      let right = middle;
      for (let to = from; left < middle; to++) {
        if (right < end && compare(order[right], spare[left]) < 0) order[to] = order[right++];
        else order[to] = spare[left++];
        if (++done % NAMES_OF_STEP === 0) yield;
      }
    }
  }
}
