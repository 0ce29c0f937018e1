// The files that lists are read from, each held open for as long as what was read from it is in force: a file that is
// removed or replaced in its folder stays what it was for whoever holds it open. So a list that cannot be read again is
// compiled from its last good copy beside others that have changed, and nothing is copied for that. One that is overwritten
// in place is what it is now.
//
// Bound: one open file a list, twice while lists are replaced.
import { closeSync, read as readFile } from 'node:fs';
import { promisify } from 'node:util';
import { ShardnsError } from '../base/errors.js';
import { openRegularFile, versionOf } from '../base/regular-file.js';

const read = promisify(readFile);
/** Pieces of text are at most so long. */
const PIECE_OCTETS = 131_072;

/** Of one list. */
export interface ListFile {
  readonly path: string;
  /** It need not be there: what is downloaded comes later. */
  readonly mayLack: boolean;
}

class HeldFile {
  #holders = 1;
  constructor(
    readonly path: string,
    readonly fd: number,
    readonly version: string,
  ) {}
  hold(): this {
    this.#holders++;
    return this;
  }
  letGo(): void {
    if (--this.#holders === 0) closeSync(this.fd);
  }
  /** From its begin, each piece over when the next one is asked for. */
  async *text(): AsyncGenerator<Uint8Array, void, undefined> {
    // One buffer for all of it: memory outside of V8's heap that comes and goes makes it collect the whole heap.
    const piece = new Uint8Array(PIECE_OCTETS);
    try {
      for (let at = 0; ;) {
        const { bytesRead } = await read(this.fd, piece, 0, piece.length, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    } catch (cause) {
      throw new ShardnsError('ERR_SHARDNS_FILE', `${this.path}: cannot be read: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}

export class ListFiles {
  readonly #held: (HeldFile | undefined)[];
  /** By the places of lists, why they are read from what was held before. */
  readonly stale = new Map<number, string>();

  /**
   * @param before what is in force, of which those are held on to that cannot be opened again
   * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path of one that cannot be opened and is not held either
   */
  constructor(
    readonly files: readonly ListFile[],
    private readonly before: ListFiles | undefined,
  ) {
    this.#held = [];
    try {
      for (const file of files) this.#held.push(this.#open(file));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #open({ path, mayLack }: ListFile): HeldFile | undefined {
    try {
      const { fd, stats } = openRegularFile(path);
      return new HeldFile(path, fd, versionOf(stats));
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      const held = this.#heldBefore(path);
      if (held === undefined && mayLack && code === 'ENOENT') return undefined;
      if (held === undefined) throw error;
      this.stale.set(this.#held.length, (error as Error).message);
      return held.hold();
    }
  }
  #heldBefore(path: string): HeldFile | undefined {
    const at = this.before?.files.findIndex(one => one.path === path) ?? -1;
    return at < 0 ? undefined : this.before!.#held[at];
  }

  /**
   * What was opened of a list is of no use: it is read from what was held before.
   * @returns false where there is nothing else
   */
  fallBack(list: number, reason: string): boolean {
    const held = this.#heldBefore(this.files[list].path);
    if (held === undefined || held === this.#held[list] || held.version === this.#held[list]?.version) return false;
    this.#held[list]?.letGo();
    this.#held[list] = held.hold();
    this.stale.set(list, reason);
    return true;
  }
  /** The same for those that were of no use before. @returns false: there are none */
  fallBackAgain(reason: string): boolean {
    const stale = this.files.map(
      ({ path }, list) => this.before?.staleAt(path) !== undefined && this.fallBack(list, reason),
    );
    return stale.includes(true);
  }
  /** The same for all that have changed. @returns false: there are none */
  fallBackAll(reason: string): boolean {
    return this.files.map((_, list) => this.fallBack(list, reason)).includes(true);
  }

  /** Why one is read from what was held before. */
  staleAt(path: string): string | undefined {
    return this.stale.get(this.files.findIndex(one => one.path === path));
  }

  /** Octets of a list. One that is not there has nothing in it. */
  async *text(list: number): AsyncGenerator<Uint8Array, void, undefined> {
    const held = this.#held[list];
    if (held !== undefined) yield* held.text();
  }

  close(): void {
    for (const one of this.#held.splice(0)) one?.letGo();
  }
}
