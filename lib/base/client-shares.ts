// How much of something bounded each client holds, so that none takes all of it: IPv4 clients are told apart by address,
// IPv6 clients by /56 (what one household or one rented server is given, RFC 6177 section 2).
//
// A client may hold its share, and beyond it as much as is still free (the dynamic threshold of Choudhury and Hahne, 1998):
// a single one, such as a front proxy by which everybody comes, at most half; of k that take all they can get each has
// one part of k + 1, and the last part is free for those who come. That holds while k shares are no more than k parts:
// a share is therefore small (DEFAULT_CLIENT_SHARE), and it is not what a client is slowed down to but what it has for sure.
//
// Bound: one entry for each client that holds something, so never more entries than there are things to hold.
import { isIP } from 'node:net';
import { addressOctets, isMapped } from './address.js';

/** So that it takes 256 clients that hold what they can to leave others nothing. */
export const DEFAULT_CLIENT_SHARE = 1 / 256;

/** What a client counts as: the same for all addresses of one /56, and for IPv4 in its IPv6-mapped form. */
export function clientOf(address: string): string {
  // Asked for each miss, mostly of IPv4 clients.
  if (!address.includes(':') || isIP(address) !== 6) return address;
  const octets = addressOctets(address);
  return isMapped(octets) ? octets.subarray(12).join('.') : Buffer.from(octets.subarray(0, 7)).toString('hex');
}

/** What one client may hold of `all` in any case: never nothing. */
export function shareOf(all: number, share: number): number {
  return Math.max(1, Math.floor(all * share));
}

/** The same of whoever is told from others by a text. */
export class Shares {
  readonly #held = new Map<string, number>();

  /** @param share what one may hold in any case */
  constructor(public share: number) {}

  /**
   * One more for it, of what is `free`.
   * @returns false, and nothing changes, when it holds its share already, and as much as it would leave
   */
  take(holder: string, free = 0): boolean {
    const held = this.held(holder);
    if (held >= Math.max(this.share, free)) return false;
    this.#held.set(holder, held + 1);
    return true;
  }

  /** Gives back what one `take` that said true has taken. */
  release(holder: string): void {
    const held = this.held(holder);
    if (held > 1) this.#held.set(holder, held - 1);
    else this.#held.delete(holder);
  }

  /** What it holds now. */
  held(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }
  /** Those that hold something. */
  get holders(): number {
    return this.#held.size;
  }
}

/** Clients are given by their numeric addresses. */
export class ClientShares {
  readonly #shares: Shares;

  /** @param share what one client may hold in any case */
  constructor(share: number) {
    this.#shares = new Shares(share);
  }
  get share(): number {
    return this.#shares.share;
  }
  set share(share: number) {
    this.#shares.share = share;
  }

  /** @see Shares.take */
  take(address: string, free = 0): boolean {
    return this.#shares.take(clientOf(address), free);
  }
  release(address: string): void {
    this.#shares.release(clientOf(address));
  }
  held(address: string): number {
    return this.#shares.held(clientOf(address));
  }
  /** Clients that hold something. */
  get clients(): number {
    return this.#shares.holders;
  }
}
