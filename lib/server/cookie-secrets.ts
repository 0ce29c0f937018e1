// The secrets of server cookies where the operator gives none: drawn at random, replaced every day, and the one before
// still checked for as long as cookies made with it live (RFC 9018 sections 4.3 and 5; RFC 7873 section 7.1 wants a new
// one every 36 days at least, and recommends a day).
import type { Clock, Timer } from '../base/clock.js';
import type { Random } from '../base/random.js';

const ROLL_EVERY_MS = 86_400_000;
/** A cookie's hour, and the five minutes that clocks may differ. */
const CHECKED_MS = 65 * 60_000;

export class CookieSecrets {
  #current: Uint8Array | undefined;
  #before: Uint8Array | undefined;
  #timer: Timer | undefined;

  /** @param changed called when there are others than before; never within a call of this object */
  constructor(
    private readonly random: Random,
    private readonly clock: Clock,
    private readonly changed: () => void,
  ) {}

  /** The first makes cookies. Drawn when they are first asked for; from then on they are rolled. */
  get all(): Uint8Array[] {
    if (this.#current === undefined) {
      this.#current = this.#draw();
      this.#timer = this.clock.after(ROLL_EVERY_MS, () => this.#roll());
    }
    return this.#before === undefined ? [this.#current] : [this.#current, this.#before];
  }

  /** Draws no others any more, and forgets those it has. */
  close(): void {
    this.#timer?.cancel();
    this.#current = this.#before = undefined;
  }

  #roll(): void {
    this.#before = this.#current;
    this.#current = this.#draw();
    this.#timer = this.clock.after(CHECKED_MS, () => {
      this.#before = undefined;
      this.#timer = this.clock.after(ROLL_EVERY_MS - CHECKED_MS, () => this.#roll());
      this.changed();
    });
    this.changed();
  }

  #draw(): Uint8Array {
    return new Uint8Array(Uint32Array.from({ length: 4 }, () => this.random.uint32()).buffer);
  }
}
