// What one look at a service was told, for the next one: of what nobody can tell now that holds (a host's addresses of one
// family, its texts, an instance of DNS-SD), so that whoever holds one answer back takes nothing away.
//
// Bound: what one look is told.
import type { Metadata } from './metadata.js';
import type { Target } from './targets.js';

export class Recall<T> {
  #before = new Map<string, T>();
  #now = new Map<string, T>();

  told(key: string, value: T): T {
    this.#now.set(key, value);
    return value;
  }
  /** @returns what was told before, if anything */
  untold(key: string): T | undefined {
    const value = this.#before.get(key);
    if (value !== undefined) this.#now.set(key, value);
    return value;
  }
  /** A look begins: what one that failed was told counts for nothing. */
  begin(): void {
    this.#now = new Map();
  }
  /** It has come to an end. */
  keep(): void {
    this.#before = this.#now;
  }
}

export class Earlier {
  /** By the host's key, with the type behind it. */
  readonly addresses = new Recall<readonly string[]>();
  /** By the name that has them. */
  readonly texts = new Recall<Metadata>();
  /** By the instance's name. */
  readonly instances = new Recall<readonly Target[]>();

  readonly #all: readonly Recall<unknown>[] = [this.addresses, this.texts, this.instances];
  begin(): void {
    for (const one of this.#all) one.begin();
  }
  keep(): void {
    for (const one of this.#all) one.keep();
  }
  forget(): void {
    this.begin();
    this.keep();
  }
}
