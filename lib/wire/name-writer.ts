// Writes names into a message, with pointers to what it holds already (RFC 1035 section 4.1.4).
//
// A name is written from its last label on as a path in a tree of labels, so its cost is its length, not the square of
// its labels. Bounds (CVE-2024-8508: compression of hostile names took a resolver's time): 1024 suffixes a message and
// 8 looks into the table a label; beyond them names are written out. The table's hash is keyed by chance.
import { randomInt } from 'node:crypto';

const MAX_LABELS = 127;
const MAX_SUFFIXES = 1024;
const SLOTS = 2 * MAX_SUFFIXES;
const MAX_LOOKS = 8;
/** What fourteen bits of a pointer reach. */
const REACH = 1 << 14;
/** The suffix that is nothing but the root. */
const ROOT = 0;

const seed = randomInt(2 ** 32) | 0;

/** One message at a time: `begin` forgets the one before. */
export class NameWriter {
  #out: Uint8Array = new Uint8Array(0);
  #count = 0;
  /** Numbers of suffixes by hash; 0 = free. */
  readonly #slots = new Uint16Array(SLOTS);
  readonly #slotOf = new Uint16Array(MAX_SUFFIXES + 1);
  /** The suffix behind the first label of each, and where that label stands. */
  readonly #parents = new Uint16Array(MAX_SUFFIXES + 1);
  readonly #offsets = new Uint16Array(MAX_SUFFIXES + 1);
  /** Of the name under way: where its labels begin, and the hashes of what begins there. */
  readonly #labels = new Uint8Array(MAX_LABELS + 1);
  readonly #hashes = new Int32Array(MAX_LABELS + 1);
  /** Where all of the last name stands in the message; 0 = out of a pointer's reach. */
  lastOffset = 0;

  /** @param at where the question's name stands in the message */
  begin(out: Uint8Array, at: number): void {
    this.#out = out;
    const slots = this.#slots;
    for (let i = this.#count; i > 0; i--) slots[this.#slotOf[i]] = 0;
    this.#count = 0;
    this.#note(this.#split(out, at), ROOT, at);
  }

  /**
   * @param source where the name stands in wire format, uncompressed and well-formed
   * @returns the offset behind it in the message
   */
  write(source: Uint8Array, from: number, at: number): number {
    const out = this.#out;
    const count = this.#split(source, from);
    // How much of its end is there already.
    let node = ROOT;
    let fresh = count;
    for (let known; fresh > 0; node = known, fresh--) {
      known = this.#find(node, source, from, fresh - 1);
      if (known === ROOT) break;
    }
    let next = at;
    for (const end = from + this.#labels[fresh]; from < end; from++) out[next++] = source[from];
    const offset = this.#offsets[node];
    if (node !== ROOT) out[next++] = 0xc0 | (offset >> 8);
    out[next++] = node === ROOT ? 0 : offset & 0xff;
    this.lastOffset = fresh === 0 ? offset : at < REACH ? at : 0;
    if (fresh > 0) this.#note(fresh, node, at);
    return next;
  }

  /** Finds the labels of a name, and the hash of each suffix. @returns how many; `#labels` has one more, the root's */
  #split(source: Uint8Array, from: number): number {
    const labels = this.#labels;
    const hashes = this.#hashes;
    let count = 0;
    let end = from;
    for (; source[end] > 0; end += 1 + source[end]) labels[count++] = end - from;
    labels[count] = end - from;
    let hash = seed;
    for (let i = count; i-- > 0;) {
      for (let at = from + labels[i], stop = from + labels[i + 1]; at < stop; at++) {
        hash = Math.imul(hash ^ source[at], 0x01000193);
      }
      hash ^= hash >>> 15;
      hashes[i] = hash;
    }
    return count;
  }

  /** The suffix that begins with this label and goes on as `parent`; ROOT: it is not there. */
  #find(parent: number, source: Uint8Array, from: number, label: number): number {
    const out = this.#out;
    const begin = from + this.#labels[label];
    const length = source[begin];
    const hash = this.#hashes[label];
    for (let look = 0; look < MAX_LOOKS; look++) {
      const node = this.#slots[(hash + look) & (SLOTS - 1)];
      if (node === 0) return ROOT;
      if (this.#parents[node] !== parent) continue;
      // Octet for octet: a name goes out in the letters that it came in.
      const offset = this.#offsets[node];
      let i = 0;
      while (i <= length && out[offset + i] === source[begin + i]) i++;
      if (i > length) return node;
    }
    return ROOT;
  }

  /** Notes the suffixes that begin with the first `fresh` labels of the name, written at `at`, and go on as `parent`. */
  #note(fresh: number, parent: number, at: number): void {
    for (let i = fresh; i-- > 0;) {
      const offset = at + this.#labels[i];
      if (offset >= REACH || this.#count === MAX_SUFFIXES) return;
      let look = 0;
      while (this.#slots[(this.#hashes[i] + look) & (SLOTS - 1)] !== 0) if (++look === MAX_LOOKS) return;
      const node = ++this.#count;
      const slot = (this.#hashes[i] + look) & (SLOTS - 1);
      this.#slots[slot] = node;
      this.#slotOf[node] = slot;
      this.#parents[node] = parent;
      this.#offsets[node] = offset;
      parent = node;
    }
  }
}
