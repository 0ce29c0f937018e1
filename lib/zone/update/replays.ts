// Updates that come twice: a signed message is good for as long as its fudge, for whoever has seen it too. One that was taken
// is answered as it was, and not done again (RFC 8945 section 10 leaves this to servers).
//
// Bound: `most` messages of a key; where more are in their time, those signed before the oldest that is still known are
// refused. Whoever has a key says how long and from when on its messages are good: of other keys' that says nothing.
import { nameKey } from '../../wire/name.js';
import type { TsigRecord } from '../tsig/record.js';

interface Taken {
  readonly until: number;
  readonly timeSigned: number;
  readonly reply: Promise<Uint8Array | undefined>;
}

/** Those of all keys; keys are the operator's, and few. */
export class ReplaysOfKeys {
  readonly #ofKeys = new Map<string, Replays>();

  of({ name }: TsigRecord): Replays {
    const key = nameKey(name);
    let one = this.#ofKeys.get(key);
    if (one === undefined) this.#ofKeys.set(key, (one = new Replays()));
    return one;
  }
}

export class Replays {
  readonly #taken = new Map<string, Taken>();
  /** What was signed at this time or before is not known any more. */
  #floor = -1;

  constructor(private readonly most = 1024) {}

  /**
   * @param now seconds since 1970
   * @param reply made where it has not been taken before
   * @returns undefined for a message of which that cannot be told any more: BADTIME
   */
  take(
    { mac, timeSigned, fudge }: TsigRecord,
    now: number,
    reply: () => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> | undefined {
    const key = Buffer.from(mac).toString('latin1');
    const known = this.#taken.get(key);
    if (known !== undefined) return known.reply;
    if (timeSigned <= this.#floor) return undefined;
    this.#forget(now);
    const taken = { until: timeSigned + fudge, timeSigned, reply: reply() };
    this.#taken.set(key, taken);
    return taken.reply;
  }

  #forget(now: number): void {
    if (this.#taken.size < this.most) return;
    for (const [key, { until }] of this.#taken) if (until < now) this.#taken.delete(key);
    for (const [key, { timeSigned }] of this.#taken) {
      if (this.#taken.size < this.most) return;
      this.#taken.delete(key);
      this.#floor = Math.max(this.#floor, timeSigned);
    }
  }
}
