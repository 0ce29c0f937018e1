// Queries to zones' servers, each for all who ask it at the time.
//
// Bounds: one query under way for each question to each server, however many wait for it; of those, as many go on in one
// turn of the event loop as TURN_OCTETS of responses make.
import type { Clock } from '../../base/clock.js';
import type { Fence } from '../../base/fence.js';
import { Turns } from '../../base/turns.js';
import { nameKey } from '../../wire/name.js';
import type { Asked } from './classify.js';
import type { Job } from './job.js';
import type { AskServer, ServerQuestion, Setting } from './options.js';
import type { Tries } from './tries.js';

/**
 * Each who shares a response takes it apart, keeps it and makes an answer of it: some 10 us of work for 1 KiB. Aliases of
 * one name may lead a thousand to the same response. Those who go on later may ask what comes next anew, so that this
 * counts octets only: a thousand share what is as small as most without waiting.
 */
const TURN_OCTETS = 2 ** 18;

export class SharedExchanges {
  readonly #turns = new Turns(TURN_OCTETS);
  readonly #asking = new Map<string, Promise<Uint8Array>>();

  constructor(
    private readonly send: AskServer,
    private readonly clock: Clock,
    private readonly setting: Setting,
    private readonly fence: Fence,
  ) {}

  /**
   * One query under way for a question to a zone's server; who comes later shares its response, unless something was
   * forgotten in between. Whoever began it, which is whose `tried` has its key, ends it.
   */
  ask(asked: Asked, tcp: boolean, tried: Tries, job: Job): Promise<Uint8Array> {
    const { server } = tried;
    const timeoutMs = server.tryTimeoutMs * tried.times;
    const left = job.left();
    const { name, type, recursive: recursionDesired } = asked;
    const way = type * 4 + (recursionDesired ? 2 : 0) + (tcp ? 1 : 0);
    const key = `${way} ${this.fence.now} ${server.label} ${nameKey(name)}`;
    const existing = this.#asking.get(key);
    if (existing !== undefined) {
      this.setting.stats.coalesced++;
      return existing;
    }
    job.budget.queries++;
    this.setting.stats.queries++;
    server.inFlight++;
    tried.began = this.clock.nowMs();
    tried.asking = key;
    const question: ServerQuestion = { name, type, recursionDesired, tcp, client: job.budget.client };
    const asking = this.send(question, server, Math.min(timeoutMs, left), job.budget.cancel, response => {
      tried.late = response;
    });
    this.#asking.set(key, asking);
    return asking;
  }

  ended(tried: Tries): void {
    if (tried.asking === undefined) return;
    // Others may wait for its room: it may be an upstream too.
    tried.server.release();
    this.#asking.delete(tried.asking);
    tried.asking = undefined;
  }

  /** Undefined, or what somebody who shared a response of so many octets waits for before he goes on. */
  turn(octets: number): Promise<void> | undefined {
    return this.#turns.room(octets);
  }
}
