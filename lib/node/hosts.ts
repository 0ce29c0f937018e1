// hosts(5): names that the machine knows by itself. Lists of blocked names have a million lines, so a large file is read
// in slices, between which the event loop goes on.
//
// Bounds: SLICE characters are read in one turn (about 6,000 lines, some 3 ms); the file is no larger than what
// WatchedFile reads.
import { isIP } from 'node:net';
import { addressOctets, formatAddress } from '../base/address.js';

export interface HostAddresses {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

const SLICE = 1 << 18;
/** A Map of a million names stops for a quarter of a second when it grows; each of these holds a share of them. */
const SHARES = 64;
const LINE_FEED = 0x0a;
const NUMBER_SIGN = 0x23;
const SPACE = 0x20;
const BYTE_ORDER_MARK = 0xfeff;

/** Names of more than one address, each address once. */
class Several implements HostAddresses {
  readonly v4: string[];
  readonly v6: string[];
  readonly #known: Set<string>;
  constructor({ v4, v6 }: HostAddresses) {
    this.v4 = [...v4];
    this.v6 = [...v6];
    this.#known = new Set([...v4, ...v6]);
  }
  add(address: string, family: number): void {
    if (this.#known.has(address)) return;
    this.#known.add(address);
    (family === 4 ? this.v4 : this.v6).push(address);
  }
}

/** An address, what the names have in common that have only this one, and those names. */
interface Line {
  address: string;
  family: number;
  only: HostAddresses;
  aliases: string[];
}

/** As formatAddress writes it, so that it is found by whatever form it is asked for in; the scope as it was. */
export function normalAddress(address: string): string {
  if (!address.includes(':')) return address;
  const scope = address.indexOf('%');
  return formatAddress(addressOctets(address)) + (scope < 0 ? '' : address.slice(scope));
}

export class Hosts {
  readonly #text: string;
  #at: number;
  readonly #shares = Array.from({ length: SHARES }, () => new Map<string, HostAddresses>());
  readonly #lines = new Map<string, Line>();
  #last: Line | undefined;
  #lastText = '';
  /** Set until the whole file has been read; then what was asked for is there. */
  ready: Promise<void> | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#at = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0;
    this.#readTo(SLICE);
    if (this.#at < text.length) this.ready = this.#readRest();
  }

  /** The addresses of a name, in the order of the file. */
  find(name: string): HostAddresses | undefined {
    const folded = name.toLowerCase();
    return this.#shareOf(folded).get(folded);
  }
  /** The names of an address in its normal form, the canonical one first. */
  namesOf(address: string): readonly string[] | undefined {
    return this.#lines.get(address)?.aliases;
  }

  /** By some of its characters: names of a list differ in their first label. */
  #shareOf(name: string): Map<string, HostAddresses> {
    const sum = name.length + 7 * name.charCodeAt(0) + 13 * name.charCodeAt(2) + 31 * name.charCodeAt(4);
    return this.#shares[(sum + 3 * name.charCodeAt(6)) & (SHARES - 1)];
  }

  async #readRest(): Promise<void> {
    while (this.#at < this.#text.length) {
      await new Promise<void>(resolve => setImmediate(resolve));
      this.#readTo(this.#at + SLICE);
    }
    this.ready = undefined;
  }

  /** Whole lines, up to the one that passes `limit`. */
  #readTo(limit: number): void {
    const text = this.#text;
    while (this.#at < text.length && this.#at < limit) {
      let end = text.indexOf('\n', this.#at);
      if (end < 0) end = text.length;
      this.#readLine(this.#at, end);
      this.#at = end + 1;
    }
  }

  #readLine(from: number, end: number): void {
    const text = this.#text;
    let line: Line | undefined;
    for (let at = from; at < end;) {
      const code = text.charCodeAt(at);
      if (code === NUMBER_SIGN) return;
      if (code <= SPACE) {
        at++;
        continue;
      }
      let stop = at + 1;
      for (let next: number; stop < end; stop++) {
        next = text.charCodeAt(stop);
        if (next <= SPACE || next === NUMBER_SIGN || next === LINE_FEED) break;
      }
      const word = text.slice(at, stop);
      if (line !== undefined) this.#addName(word, line);
      else if ((line = this.#lineOf(word)) === undefined) return;
      at = stop;
    }
  }

  #lineOf(text: string): Line | undefined {
    // Lists of blocked names have the same address in each line.
    if (text === this.#lastText && this.#last !== undefined) return this.#last;
    const family = isIP(text);
    if (family === 0) return undefined;
    const address = normalAddress(text);
    let line = this.#lines.get(address);
    if (line === undefined) {
      const only = family === 4 ? { v4: [address], v6: [] } : { v4: [], v6: [address] };
      line = { address, family, only, aliases: [] };
      this.#lines.set(address, line);
    }
    this.#last = line;
    this.#lastText = text;
    return line;
  }

  #addName(alias: string, line: Line): void {
    const name = alias.toLowerCase();
    const names = this.#shareOf(name);
    const known = names.get(name);
    if (known === undefined) names.set(name, line.only);
    else if (known instanceof Several) known.add(line.address, line.family);
    else if (known !== line.only) {
      const several = new Several(known);
      several.add(line.address, line.family);
      names.set(name, several);
    }
    line.aliases.push(alias);
  }
}
