// `for await (const change of service)`: each step is the difference between what was given last and what is there now, so
// that a slow reader misses nothing and holds nothing. It keeps the process alive while somebody waits for it.
import type { KeepAlive } from '../base/keep-alive.js';
import type { Endpoint } from './endpoint.js';
import type { Change } from './live-set.js';
import type { ServiceFace } from './service-face.js';

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class ChangeIterator implements AsyncIterator<Change> {
  #known = new Set<Endpoint>();
  #version = 0;
  #changed = new Set<Endpoint>();
  #waiting: (() => void)[] = [];
  #over = false;

  constructor(
    private readonly service: ServiceFace,
    private readonly alive: KeepAlive,
  ) {
    service.on('change', this.#onChange);
    service.on('close', this.#onClose);
    if (service.closed) this.#over = true;
  }

  readonly #onChange = ({ changed, removed }: Change): void => {
    for (const one of changed) this.#changed.add(one);
    // Of whom nobody is told any more, however long nobody asks.
    for (const one of removed) this.#changed.delete(one);
    this.#wake();
  };
  readonly #onClose = (): void => {
    this.#over = true;
    this.#wake();
  };
  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async next(): Promise<IteratorResult<Change>> {
    while (!this.#over && this.service.version === this.#version) {
      this.alive.hold();
      try {
        await new Promise<void>(resolve => this.#waiting.push(resolve));
      } finally {
        this.alive.release();
      }
    }
    return this.#over ? DONE : { done: false, value: this.#difference() };
  }

  #difference(): Change {
    const now = new Set(this.service.endpoints);
    const added = [...now].filter(one => !this.#known.has(one));
    const removed = [...this.#known].filter(one => !now.has(one));
    const changed = [...this.#changed].filter(one => now.has(one) && this.#known.has(one));
    this.#known = now;
    this.#changed = new Set();
    this.#version = this.service.version;
    return { added, removed, changed, version: this.#version };
  }

  return(): Promise<IteratorResult<Change>> {
    this.#over = true;
    this.service.off('change', this.#onChange);
    this.service.off('close', this.#onClose);
    this.#wake();
    return Promise.resolve(DONE);
  }
}
