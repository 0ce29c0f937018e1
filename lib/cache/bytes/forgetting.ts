// What is forgotten in this process: in memory, and of what is being loaded. Whoever else is to know is told by the callers.
import { ByteForget, type NativeBytes } from '../../native/binding.js';
import type { Fetcher } from './fetcher.js';
import type { LevelOwner } from './level.js';
import { overtakeKey } from './loads.js';

export interface Memory {
  readonly native: NativeBytes;
  readonly fetcher: Fetcher;
}

export function forgetTag({ native, fetcher }: Memory, mark: number): void {
  native.forget(ByteForget.tag, mark);
  fetcher.overtakeGroup(`tag ${mark}`);
}
/** @param space its number; 0: everything */
export function forgetSpace({ native, fetcher }: Memory, space: number): void {
  native.forget(space === 0 ? ByteForget.all : ByteForget.namespace, space);
  fetcher.overtakeGroup(space === 0 ? undefined : `namespace ${space}`);
}

/** What the others of a fleet have changed, done here. */
export class MemoryOwner implements LevelOwner {
  /** Numbers of namespaces by their names: 65,536 at most. */
  readonly #numbers = new Map<string, number>();

  constructor(private readonly memory: Memory & { readonly closed: boolean }) {}

  forgetKey(key: Buffer): void {
    const { native, fetcher } = this.memory;
    const end = 1 + key[0];
    this.#with(key.toString('utf8', 1, end), space => {
      const own = key.subarray(end);
      overtakeKey(fetcher, space, own);
      native.remove(own, space);
    });
  }
  forgetTag(mark: number): void {
    if (!this.memory.closed) forgetTag(this.memory, mark);
  }
  forgetSpace(name: string): void {
    this.#with(name, space => forgetSpace(this.memory, space));
  }
  forgetAll(): void {
    if (!this.memory.closed) forgetSpace(this.memory, 0);
  }

  #with(name: string, run: (space: number) => void): void {
    if (this.memory.closed) return;
    let space = name === '' ? 0 : this.#numbers.get(name);
    if (space === undefined) {
      try {
        space = this.memory.native.addNamespace(name);
        this.#numbers.set(name, space);
      } catch {
        // No room for one more namespace: whatever it is, it is forgotten.
        this.forgetAll();
        return;
      }
    }
    run(space);
  }
}
