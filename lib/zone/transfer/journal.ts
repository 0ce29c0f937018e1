// What has changed in a zone of late, version by version, so that secondaries are sent differences (RFC 1995 section 5).
// Held as octets; a file of the same is zone-files.ts.
//
// Bounds: `versions` differences and `octets` of them; the oldest go first. A difference that has more than `octets` alone
// empties it: the whole zone is no more then.
import { type Difference, fromSerial, octetsOf, toSerial } from './difference.js';
import { isNewer } from '../serial.js';
import { encodeDifference } from './record-octets.js';

export interface JournalLimits {
  readonly versions: number;
  readonly octets: number;
}

export interface JournalEntry {
  readonly from: number;
  readonly to: number;
  readonly octets: Uint8Array;
}

export const entryOf = (difference: Difference): JournalEntry => ({
  from: fromSerial(difference),
  to: toSerial(difference),
  octets: encodeDifference(difference),
});

export class Journal {
  #entries: JournalEntry[] = [];
  #octets = 0;
  #doubtful: number | undefined;

  constructor(public limits: JournalLimits) {}

  get octets(): number {
    return this.#octets;
  }
  get versions(): number {
    return this.#entries.length;
  }
  /** The version that the last difference leads to. */
  get last(): number | undefined {
    return this.#entries.at(-1)?.to;
  }
  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** One that does not begin where the last one ended leaves nothing before it. */
  add(difference: Difference): void {
    // Not even made into octets, which takes long where there are many.
    if (octetsOf(difference) > this.limits.octets) this.clear();
    else this.addEntry(entryOf(difference));
  }

  addEntry(entry: JournalEntry): void {
    if (this.last !== undefined && this.last !== entry.from) this.clear();
    this.#entries.push(entry);
    this.#octets += entry.octets.length;
    let gone = 0;
    while (gone < this.#entries.length && this.#isTooLarge(gone)) this.#octets -= this.#entries[gone++].octets.length;
    if (gone > 0) this.#entries.splice(0, gone);
  }
  #isTooLarge(gone: number): boolean {
    return this.#entries.length - gone > this.limits.versions || this.#octets > this.limits.octets;
  }

  clear(): void {
    this.#entries = [];
    this.#octets = 0;
  }

  /**
   * Up to this serial two versions have had the same one: the serial stayed as the zone changed, or went back. Whoever has
   * one of them may have the other, to which no difference fits, and is sent the whole zone.
   */
  doubt(serial: number): void {
    this.clear();
    if (this.#doubtful === undefined || isNewer(serial, this.#doubtful)) this.#doubtful = serial;
  }

  /** All entries from that version on; undefined where it is not among them. Empty for the last one itself. */
  since(serial: number): JournalEntry[] | undefined {
    if (serial === this.last) return [];
    if (this.#doubtful !== undefined && !isNewer(serial, this.#doubtful)) return undefined;
    const first = this.#entries.findIndex(one => one.from === serial);
    return first < 0 ? undefined : this.#entries.slice(first);
  }
}
