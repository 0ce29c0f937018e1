// Cuts the octets of a zone file into entries, and those into fields (RFC 1035 section 5.1): parentheses, quotes, comments,
// escapes. Where fields are is noted, nothing is copied: a file of a million records makes no strings.
//
// Bounds: an entry may be as long as the file; of its fields MAX_FIELDS are taken.

const [TAB, LF, CR, SPACE, QUOTE, OPEN, CLOSE, SEMICOLON, BACKSLASH] = [9, 10, 13, 32, 34, 40, 41, 59, 92];
const MAX_FIELDS = 100_000;

export const FieldKind = { plain: 0, quoted: 1, escaped: 2, partlyQuoted: 4 } as const;

export class EntryScanner {
  /** Fields of the entry: their octets, quotes around a quoted one left out. */
  count = 0;
  begin = new Int32Array(64);
  end = new Int32Array(64);
  /** Bits of FieldKind. */
  kind = new Uint8Array(64);
  /** Whether the entry begins with a blank: it has no owner of its own. */
  isIndented = false;
  /** What is wrong with the entry, and where; its other fields mean nothing then. */
  problem: { at: number; expected: string } | undefined;
  #at = 0;

  constructor(public text: Uint8Array = new Uint8Array(0)) {
    this.begins(text);
  }

  /** Another text from here on. */
  begins(text: Uint8Array): void {
    this.text = text;
    // A mark that says that the file is UTF-8.
    this.#at = text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf ? 3 : 0;
  }

  /** Line and column of an octet, from 1. */
  placeOf(at: number): { line: number; column: number } {
    let line = 1;
    let begin = 0;
    for (let next = this.text.indexOf(LF); next >= 0 && next < at; next = this.text.indexOf(LF, begin)) {
      line++;
      begin = next + 1;
    }
    return { line, column: at - begin + 1 };
  }

  /** @returns false at the end of the file */
  next(): boolean {
    const { text } = this;
    this.problem = undefined;
    while (this.#at < text.length) {
      this.count = 0;
      const first = text[this.#at];
      this.isIndented = first === SPACE || first === TAB;
      this.#scan();
      if (this.count > 0 || this.problem !== undefined) return true;
    }
    return false;
  }

  /** The entry that begins here, to its end. */
  #scan(): void {
    const { text } = this;
    const size = text.length;
    let at = this.#at;
    let depth = 0;
    let opened = 0;
    while (at < size) {
      const c = text[at];
      if (c === SPACE || c === TAB || c === CR) at++;
      else if (c === LF) {
        at++;
        if (depth === 0) break;
      } else if (c === SEMICOLON) at = lineEnd(text, at);
      else if (c === OPEN) {
        if (depth++ === 0) opened = at;
        at++;
      } else if (c === CLOSE) {
        if (depth-- === 0) return this.#fail(at, 'an opening parenthesis before this closing one');
        at++;
      } else {
        const from = at;
        at = c === QUOTE ? this.#quoted(at) : this.#plain(at);
        if (at < 0) return this.#fail(from, 'a closing quote on the same line');
        if (this.count > MAX_FIELDS) return this.#fail(from, `at most ${MAX_FIELDS} fields`);
      }
    }
    this.#at = at;
    if (depth > 0) this.#fail(opened, 'a closing parenthesis for this opening one', at);
  }

  #fail(at: number, expected: string, next = Math.min(this.text.length, lineEnd(this.text, at) + 1)): void {
    this.problem = { at, expected };
    this.#at = next;
  }

  #add(begin: number, end: number, kind: number): void {
    const i = this.count++;
    if (i === this.begin.length) {
      const length = 2 * i;
      const [begins, ends, kinds] = [this.begin, this.end, this.kind];
      this.begin = new Int32Array(length);
      this.begin.set(begins);
      this.end = new Int32Array(length);
      this.end.set(ends);
      this.kind = new Uint8Array(length);
      this.kind.set(kinds);
    }
    this.begin[i] = begin;
    this.end[i] = end;
    this.kind[i] = kind;
  }

  /** @returns where it ends, or -1 */
  #quoted(from: number): number {
    const { text } = this;
    let kind: number = FieldKind.quoted;
    for (let at = from + 1; at < text.length; at++) {
      const c = text[at];
      if (c === BACKSLASH) {
        kind |= FieldKind.escaped;
        at++;
      } else if (c === QUOTE) {
        this.#add(from + 1, at, kind);
        return at + 1;
      } else if (c === LF) return -1;
    }
    return -1;
  }

  #plain(from: number): number {
    const { text } = this;
    let kind: number = FieldKind.plain;
    let at = from;
    for (; at < text.length; at++) {
      const c = text[at];
      if (c > BACKSLASH) continue;
      if (c === BACKSLASH) {
        kind |= FieldKind.escaped;
        if (text[at + 1] !== LF) at++;
      } else if (c === QUOTE) {
        // Behind a key: alpn="h2,h3".
        kind |= FieldKind.partlyQuoted;
        for (at++; text[at] !== QUOTE; at++) {
          if (at >= text.length || text[at] === LF) return -1;
          if (text[at] === BACKSLASH) {
            kind |= FieldKind.escaped;
            at++;
          }
        }
      } else if (c <= SPACE ? c === SPACE || c === LF || c === TAB || c === CR : isSign(c)) break;
    }
    at = Math.min(at, text.length);
    this.#add(from, at, kind);
    return at;
  }
}

const isSign = (c: number): boolean => c === OPEN || c === CLOSE || c === SEMICOLON;

function lineEnd(text: Uint8Array, from: number): number {
  const end = text.indexOf(LF, from);
  return end < 0 ? text.length : end;
}
