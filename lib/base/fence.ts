// What has been forgotten, and when: an answer that was asked for before is not kept afterwards. Threads share one through
// its cells, so that what one of them forgets holds for the others at once, without a message.
//
// Time is a count that grows with each forgetting. Of names it remembers when a name of the same hash was forgotten last:
// names that share a place are fenced together, which costs them an entry in the cache and never a wrong one.
//
// Bounds: 4 KiB; the count wraps after 2^32, with which whoever began 2^31 before is taken for later.
//
//   count | all forgotten at | a name of place 0, 1, 2 ... forgotten at
const PLACES = 1024;
const [COUNT, ALL, NAMES] = [0, 1, 2];

export class Fence {
  /** @param cells of a fence of another thread */
  constructor(readonly cells = new Int32Array(new SharedArrayBuffer(4 * (NAMES + PLACES)))) {}

  /** What is asked from now on was asked then. */
  get now(): number {
    return Atomics.load(this.cells, COUNT);
  }

  /** Something was forgotten that is kept elsewhere: who asks from now on joins none of the queries under way. */
  advance(): number {
    return (Atomics.add(this.cells, COUNT, 1) + 1) | 0;
  }
  /** To be called before it is taken out of where it is kept, as is the next. */
  forgetAll(): void {
    this.#mark(ALL, this.advance());
  }
  /** @param name folded wire format */
  forget(name: Uint8Array): void {
    this.#mark(placeOf(name), this.advance());
  }

  /** Whether a name's data that was asked for at `since` is to be kept no more. Infinity: never. */
  hasForgotten(name: Uint8Array, since: number): boolean {
    if (this.now === since) return false;
    return isAfter(Atomics.load(this.cells, ALL), since) || isAfter(Atomics.load(this.cells, placeOf(name)), since);
  }

  /** Never to an earlier time: another thread may have come first. */
  #mark(cell: number, time: number): void {
    for (;;) {
      const before = Atomics.load(this.cells, cell);
      if (isAfter(before, time) || Atomics.compareExchange(this.cells, cell, before, time) === before) return;
    }
  }
}

const isAfter = (one: number, other: number): boolean => ((one - other) | 0) > 0;

/** FNV-1a: who aims at a place keeps his own names from being kept, and those of others only while one is forgotten. */
function placeOf(name: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name[i], 0x0100_0193);
  return NAMES + ((hash ^ (hash >>> 16)) & (PLACES - 1));
}
