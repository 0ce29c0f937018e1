// Who may call over the network: a file with a line for each token, of which it has the SHA-256 only.
//
//     read  9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  grafana
//
// A token is drawn and shown once by `shardns token`. Sessions of browsers stand for one: they live 12 hours and end with it.
//
// Bounds: 256 tokens, MAX_SESSIONS sessions (the oldest goes), 10 wrong tokens a minute an address, MAX_GUESSERS addresses.
import { createHash, timingSafeEqual } from 'node:crypto';
import { BoundedMap } from '../base/bounded-map.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError, show } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { readRegularFile } from '../base/regular-file.js';
import type { Scope } from './api/caller.js';

export interface Token {
  readonly scope: Exclude<Scope, 'open'>;
  /** SHA-256. */
  readonly hash: Buffer;
  readonly name: string;
}

const MAX_FILE_BYTES = 65_536;
const MAX_TOKENS = 256;
const MAX_SESSIONS = 1000;
const SESSION_MS = 12 * 3_600_000;
const MAX_GUESSERS = 4096;
const GUESSES_A_MINUTE = 10;

export const TOKEN_SCOPES = ['read', 'flush', 'write'] as const;

export const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * Tokens of a file that nobody but its owner may write to or read.
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file, the line and what is wrong
 */
export function readTokens(path: string): Token[] {
  const wrong = (what: string): ShardnsError => new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${what}`);
  const { text, stats } = readRegularFile(path, MAX_FILE_BYTES);
  if ((Number(stats.mode) & 0o077) !== 0) {
    const mode = (Number(stats.mode) & 0o777).toString(8);
    throw wrong(`expected a file that only its owner may read (chmod 600), got mode ${mode}`);
  }
  const tokens: Token[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const match = /^\s*(read|flush|write)\s+([0-9a-f]{64})(?:\s+(\S.{0,63}?))?\s*$/.exec(line);
    if (match === null) {
      throw wrong(
        `line ${i + 1}: expected read, flush or write, then 64 hexadecimal digits and a name, got ${show(line)}`,
      );
    }
    const [, scope, digits, name = `line ${i + 1}`] = match;
    tokens.push({ scope: scope as Token['scope'], hash: Buffer.from(digits, 'hex'), name });
  }
  if (tokens.length === 0) throw wrong('has no token: `shardns token` writes one');
  if (tokens.length > MAX_TOKENS) throw wrong(`has ${tokens.length} tokens, expected at most ${MAX_TOKENS}`);
  return tokens;
}

/** 256 bits. */
export function drawSecret(random: Random): string {
  return Buffer.from(Uint32Array.from({ length: 8 }, () => random.uint32()).buffer).toString('base64url');
}

interface Session {
  readonly token: Token;
  readonly untilMs: number;
}

/** Tells who calls. */
export class Callers {
  /** By the SHA-256 of their secrets: what is looked up tells nothing of them by its time. */
  readonly #sessions = new BoundedMap<string, Session>(MAX_SESSIONS);
  readonly #guesses = new BoundedMap<string, { count: number; untilMs: number }>(MAX_GUESSERS);

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private tokens: readonly Token[],
  ) {}

  /** Sessions of tokens that are there no more count no more. */
  use(tokens: readonly Token[]): void {
    this.tokens = tokens;
  }

  /** The token that was given; each is compared, whatever comes of the first ones. */
  byToken(given: string): Token | undefined {
    const hash = hashOf(given);
    let found: Token | undefined;
    for (const token of this.tokens) if (timingSafeEqual(hash, token.hash)) found = token;
    return found;
  }

  /** @returns the session's secret */
  begin(token: Token): string {
    const secret = drawSecret(this.random);
    this.#sessions.set(hashOf(secret).toString('hex'), { token, untilMs: this.clock.nowMs() + SESSION_MS });
    return secret;
  }
  bySession(secret: string): Token | undefined {
    const key = hashOf(secret).toString('hex');
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const { token, untilMs } = session;
    const stands = this.tokens.some(one => one.scope === token.scope && one.hash.equals(token.hash));
    if (stands && untilMs > this.clock.nowMs()) return token;
    this.#sessions.delete(key);
    return undefined;
  }
  end(secret: string): void {
    this.#sessions.delete(hashOf(secret).toString('hex'));
  }

  /** Whether an address has guessed so often that it is not heard now. */
  isGuessing(address: string): boolean {
    const guesses = this.#guesses.get(address);
    return guesses !== undefined && guesses.untilMs > this.clock.nowMs() && guesses.count >= GUESSES_A_MINUTE;
  }
  guessedWrong(address: string): void {
    const now = this.clock.nowMs();
    const before = this.#guesses.get(address);
    const lasts = before !== undefined && before.untilMs > now;
    this.#guesses.set(address, lasts ? { ...before, count: before.count + 1 } : { count: 1, untilMs: now + 60_000 });
  }
}
