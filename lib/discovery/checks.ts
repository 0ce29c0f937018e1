// Asks endpoints how they are, whether anybody uses them or not: a connection, a GET, or gRPC's own question. Spread over the
// interval, so that neither this process nor any endpoint has all of them at once.
//
// Bounds: 8 checks of a service at a time, each `timeoutMs` long; a check reads no body. Where more are due, those that were
// well last time have three of four turns: however many endpoints are silent, each of the others is asked when its time has
// come, or soon.
import http from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.js';
import type { Random } from '../base/random.js';
import type { Endpoint } from './endpoint.js';
import { isServing } from './grpc-check.js';
import type { Health } from './health.js';
import type { CheckSettings } from './options.js';

const MAX_AT_ONCE = 8;
const JITTER = 0.2;
/** Endpoints that come to a set that is there are looked at within so long: they may be listed before they are ready. */
const SOON_MS = 1000;

/** Whether an endpoint is well; must not reject. `stop` ends it. */
export type Check = (endpoint: Endpoint, settings: CheckSettings, stop: AbortSignal) => Promise<boolean>;

/**
 * @param connect a socket to an endpoint, of TLS where the settings say so
 * @param domain whose server it is told to be
 */
export function systemCheck(
  connect: (endpoint: Endpoint, settings: CheckSettings, stop: AbortSignal) => Promise<Socket>,
  domain: string,
): Check {
  return async (endpoint, settings, stop) => {
    const { kind, path, service, tls } = settings;
    let socket: Socket | undefined;
    try {
      socket = await connect(endpoint, settings, stop);
      if (kind === 'tcp') return true;
      if (kind === 'http') return await isAnswered(socket, path, domain, stop);
      return await isServing(socket, { service, authority: domain, secure: tls !== false }, stop);
    } catch {
      return false;
    } finally {
      socket?.destroy();
    }
  };
}

function isAnswered(socket: Socket, path: string, host: string, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    // With no word of an agent: with `agent: false` Node makes one, which connects by itself.
    const options = { createConnection: () => socket, path, headers: { host }, signal };
    const request = http.get(options, response => {
      response.on('error', () => {}).resume();
      resolve(response.statusCode! < 400);
    });
    request.on('error', () => resolve(false));
    request.on('close', () => resolve(false));
  });
}

export class Checks {
  readonly #timers = new Map<Endpoint, Timer>();
  /** Those whose time has come, with how often they have failed in a row. */
  readonly #waiting = new Map<Endpoint, number>();
  readonly #stop = new AbortController();
  #underWay = 0;
  #hasBegun = false;
  #turns = 0;

  constructor(
    private readonly settings: CheckSettings,
    private readonly parts: { clock: Clock; random: Random; health: Health; check: Check },
  ) {}

  /** Begins with those that are new, ends with those that are gone. */
  follow(added: readonly Endpoint[], removed: readonly Endpoint[]): void {
    for (const one of removed) {
      this.#timers.get(one)?.cancel();
      this.#timers.delete(one);
      this.#waiting.delete(one);
    }
    const { intervalMs } = this.settings;
    const withinMs = this.#hasBegun ? Math.min(SOON_MS, intervalMs) : intervalMs;
    this.#hasBegun = true;
    for (const one of added) this.#after(one, 0, withinMs * this.#share());
  }
  #share(): number {
    return this.parts.random.uint32() / 0x1_0000_0000;
  }

  #after(endpoint: Endpoint, failures: number, ms: number): void {
    const timer = this.parts.clock.after(ms, () => {
      if (this.#underWay >= MAX_AT_ONCE) this.#waiting.set(endpoint, failures);
      else void this.#run(endpoint, failures);
    });
    this.#timers.set(endpoint, timer);
  }

  async #run(endpoint: Endpoint, failures: number): Promise<void> {
    const { clock, check, health } = this.parts;
    const { timeoutMs, intervalMs } = this.settings;
    this.#underWay++;
    const own = new AbortController();
    const end = (): void => own.abort();
    this.#stop.signal.addEventListener('abort', end);
    const timeout = clock.after(timeoutMs, end);
    const late = new Promise<boolean>(resolve => own.signal.addEventListener('abort', () => resolve(false)));
    const well = await Promise.race([check(endpoint, this.settings, own.signal).catch(() => false), late]);
    timeout.cancel();
    this.#stop.signal.removeEventListener('abort', end);
    this.#underWay--;
    this.#next();
    if (endpoint.state === 'gone' || this.#stop.signal.aborted) return;
    const inARow = well ? 0 : failures + 1;
    health.checked(endpoint, well, inARow, this.settings.failures);
    this.#after(endpoint, inARow, intervalMs * (1 - JITTER / 2 + JITTER * this.#share()));
  }
  #next(): void {
    const waiting = [...this.#waiting];
    const well = this.#turns++ % 4 === 0 ? undefined : waiting.find(([, failures]) => failures === 0);
    const next = well ?? waiting[0];
    if (next === undefined) return;
    this.#waiting.delete(next[0]);
    void this.#run(...next);
  }

  close(): void {
    this.#stop.abort();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#waiting.clear();
  }
}
