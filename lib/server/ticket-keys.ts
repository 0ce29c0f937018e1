// The key that session tickets are sealed with (RFC 8446 section 4.6.1, RFC 5077), another one each day. Drawn at random; or
// derived from a secret that several servers have in a file, so that what one has begun another resumes: all of them change
// at midnight (UTC) without being told.
//
// Node seals with one key and opens with the same: who comes back after a change shakes hands anew, once.
import { hkdfSync, randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { readRegularFile } from '../base/regular-file.js';
import { WatchedFile } from '../base/watched-file.js';

const KEY_OCTETS = 48;
const DAY_SECONDS = 86_400;
const SECRET_OCTETS = { min: 32, max: 256 };
const MAX_BYTES = 4096;

/** Where the secret is, and what it was when it was read last. */
export interface TicketSecret {
  readonly path: string;
  readonly octets: Buffer;
}

/**
 * The secret in a file: hexadecimal digits or base64, the first line that is neither empty nor a comment.
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file and what is wrong with it
 */
export function readTicketSecret(path: string): TicketSecret {
  return { path, octets: secretIn(path, readRegularFile(path, MAX_BYTES).text) };
}

function secretIn(path: string, text: string): Buffer {
  const line = text
    .split('\n')
    .map(one => one.trim())
    .find(one => one !== '' && !one.startsWith('#'));
  const isHex = line !== undefined && /^(?:[0-9a-f]{2})+$/i.test(line);
  const isBase64 = line !== undefined && /^[A-Za-z0-9+/_-]+={0,2}$/.test(line);
  const octets = isHex || isBase64 ? Buffer.from(line, isHex ? 'hex' : 'base64') : Buffer.alloc(0);
  const { min, max } = SECRET_OCTETS;
  if (octets.length >= min && octets.length <= max) return octets;
  const what = `expected a secret of ${min} to ${max} octets, as hexadecimal digits or base64, got ${octets.length}`;
  throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${what}`);
}

export class TicketKeys {
  #secret: TicketSecret | undefined;
  #watched: WatchedFile<string> | undefined;
  #key: Buffer | undefined;
  /** Of the key: the day that it is for, or when it was drawn. */
  #day = 0;
  #drawnMs = 0;
  #problem: string | undefined;

  /** @param tell told of each problem with the file, once; the secret of before stays then */
  constructor(
    private readonly clock: Clock,
    private readonly tell: (problem: string) => void,
  ) {}

  /** By this secret from now on; undefined: by none. */
  use(secret: TicketSecret | undefined): void {
    const isSame = secret?.path === this.#secret?.path && sameOctets(secret?.octets, this.#secret?.octets);
    if (isSame) return;
    this.#secret = secret;
    this.#key = undefined;
    this.#problem = undefined;
    this.#watched =
      secret &&
      new WatchedFile(
        secret.path,
        text => text,
        this.clock,
        problem => this.#told(problem),
        MAX_BYTES,
      );
  }

  /** What the keys are derived from, as it was read last. */
  get secret(): TicketSecret | undefined {
    return this.#secret;
  }
  /** Of 48 octets. */
  get current(): Buffer {
    return (this.#key ??= this.#make());
  }

  /** Looks at the time and the file. @returns whether the key is another than before */
  changed(): boolean {
    const before = this.#key;
    if (before === undefined) return false;
    this.#lookAtFile();
    const isOver =
      this.#secret === undefined ? this.clock.nowMs() - this.#drawnMs >= DAY_SECONDS * 1000 : this.#today !== this.#day;
    if (isOver) this.#key = undefined;
    return !sameOctets(this.current, before);
  }

  /** Forgets what it has. */
  close(): void {
    this.#key = this.#secret = this.#watched = undefined;
  }

  get #today(): number {
    return Math.floor(this.clock.wallSeconds() / DAY_SECONDS);
  }

  #lookAtFile(): void {
    if (this.#watched === undefined || this.#secret === undefined) return;
    const text = this.#watched.value;
    if (text === '') return; // gone, or being written
    try {
      const octets = secretIn(this.#secret.path, text);
      this.#problem = undefined;
      if (sameOctets(octets, this.#secret.octets)) return;
      this.#secret = { path: this.#secret.path, octets };
      this.#key = undefined;
    } catch (error) {
      this.#told((error as Error).message);
    }
  }

  #told(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.tell(problem);
  }

  #make(): Buffer {
    this.#drawnMs = this.clock.nowMs();
    this.#day = this.#today;
    if (this.#secret === undefined) return randomBytes(KEY_OCTETS);
    const info = `shardns session tickets ${this.#day}`;
    return Buffer.from(hkdfSync('sha256', this.#secret.octets, '', info, KEY_OCTETS));
  }
}

const sameOctets = (one: Buffer | undefined, other: Buffer | undefined): boolean =>
  one === other || (one !== undefined && other !== undefined && one.equals(other));
