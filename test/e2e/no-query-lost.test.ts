// No question over UDP is lost while a server reads its options anew, is restarted by a manager that keeps its sockets, or is
// replaced by another to which clients are led by readiness. A client here asks each question once and never again; each gets
// its answer. SHARDNS_LOSS_QUESTIONS: so many for each of the three (1000000 for the whole proof, some minutes).
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.js';
import { answerA, makeQuery, rcodeOf } from '../support/messages.js';
import { hasPerl, Manager, Program } from '../support/service-manager.js';
import { until } from '../support/until.js';

const QUESTIONS = Number(process.env.SHARDNS_LOSS_QUESTIONS ?? 5000);
/** At the least, however soon the questions are asked. */
const CHANGES = 4;
const WAIT_MS = 240_000 + QUESTIONS;
/** Under way at a time: fewer than a socket that nobody reads for a moment has room for. */
const UNDER_WAY = 64;

const folder = mkdtempSync(join(tmpdir(), 'shardns-loss-'));
const upstream = createSocket('udp4');
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  upstream.on('message', (query, { port, address }) => upstream.send(answerA(query), port, address));
  upstream.bind(0, '127.0.0.1');
  await once(upstream, 'listening');
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => {
  upstream.close();
  rmSync(folder, { recursive: true });
});

/** Asks without a pause where it is told to, each question once. */
class Asker {
  asked = 0;
  answered = 0;
  /** Replies that are none, or of another rcode than 0. */
  readonly wrong: string[] = [];
  readonly #socket = createSocket('udp4');
  /** By id, which comes again after 65,536 questions, of which 64 are under way. */
  readonly #waiting = new Map<number, string>();
  #going = true;

  private constructor(private readonly ports: () => readonly number[]) {
    this.#socket.on('message', reply => this.#take(reply));
  }
  static async start(ports: () => readonly number[]): Promise<Asker> {
    const asker = new Asker(ports);
    asker.#socket.bind(0, '127.0.0.1');
    await once(asker.#socket, 'listening');
    ends.push(() => asker.#socket.close());
    for (let i = 0; i < UNDER_WAY; i++) asker.#ask();
    return asker;
  }

  /** Makes changes, one after another, until all has been asked; none may stop the answers. */
  async during(change: (number: number) => Promise<void>): Promise<void> {
    for (let i = 0; i < CHANGES || this.answered < QUESTIONS; i++) {
      const before = this.answered;
      await change(i);
      await until(
        () => this.answered > before + 2 * UNDER_WAY,
        () => `answers after change ${i + 1}: ${this.#state()}`,
      );
    }
    this.#going = false;
    await until(
      () => this.#waiting.size === 0,
      () => this.#state(),
    );
    expect(this.wrong).toEqual([]);
    expect(this.answered).toBe(this.asked);
    expect(this.answered).toBeGreaterThanOrEqual(QUESTIONS);
  }

  /** What is known to the server, what it has in its cache, and what it asks for, in turns. */
  #ask(): void {
    if (!this.#going) return;
    const i = this.asked++;
    const id = i & 0xffff;
    const name = ['localhost', `hit${i % 100}.example`, `miss${i}.example`, `n${i}.localhost`][i % 4];
    const ports = this.ports();
    if (ports.length === 0) this.wrong.push(`${name}: nobody is ready`);
    this.#waiting.set(id, name);
    this.#socket.send(makeQuery(name, { id }), ports[i % ports.length], '127.0.0.1');
  }
  #take(reply: Buffer): void {
    const name = this.#waiting.get(reply.readUInt16BE(0));
    if (name === undefined) this.wrong.push(`a second reply: ${reply.toString('hex')}`);
    else if (rcodeOf(reply) !== 0) this.wrong.push(`${name}: rcode ${rcodeOf(reply)}`);
    this.#waiting.delete(reply.readUInt16BE(0));
    this.answered++;
    this.#ask();
  }
  #state(): string {
    const some = [...this.#waiting.values()].slice(0, 5).join(' ');
    return `${this.answered} of ${this.asked} answered, without: ${some}; ${this.wrong.slice(0, 5).join('; ')}`;
  }
}

function options(more: object): string {
  const all = { upstreams: [`127.0.0.1:${upstream.address().port}`], cache: { memory: '8MiB' }, threads: 1 };
  return JSON.stringify({ ...all, control: false, ...more });
}
function store(name: string, more: object): string {
  const path = join(folder, name);
  writeFileSync(path, options(more));
  return path;
}
const COMMAND = ['dist/cli/main.js', 'serve', '--config'];
async function serve(config: string): Promise<Program> {
  const program = new Program(spawn(process.execPath, [...COMMAND, config], { stdio: 'pipe' }));
  ends.push(() => program.child.kill('SIGKILL'));
  await program.says('"listening"');
  return program;
}

test(
  'while a server reads its options anew, and opens its listeners anew',
  async () => {
    const port = await freePort();
    const at = (more: object): string => store('reload', { listen: [`127.0.0.1:${port}`], ...more });
    const server = await serve(at({}));
    const asker = await Asker.start(() => [port]);
    // Threads and addresses are listeners of their own, and other rules are made while the old ones hold.
    const changes = [
      { threads: 2 },
      { threads: 2, cache: { memory: '8MiB', maxTtlSeconds: 600 }, allow: ['127.0.0.0/8'] },
      { threads: 1, listen: [`127.0.0.1:${port}`, '127.0.0.2:0'] },
      { threads: 3, local: { records: ['local.example A 192.0.2.9'] } },
    ];
    await asker.during(async i => {
      at(changes[i % changes.length]);
      server.child.kill('SIGHUP');
      await server.says('"configuration read again; the cache was kept"', i + 1);
    });
    expect(server.text).not.toMatch(/"level":(?:50|60)/);
  },
  WAIT_MS,
);

test.skipIf(!hasPerl)(
  'while a service manager that keeps its sockets starts a server again and again',
  async () => {
    const manager = await Manager.start([process.execPath, ...COMMAND, store('restart', {})], { XDG_RUNTIME_DIR: '' });
    ends.push(() => manager.close());
    // Before the first start, too.
    const asker = await Asker.start(() => [manager.port]);
    manager.begin();
    await manager.server.says('"listening"');
    await asker.during(async i => {
      manager.signal('TERM');
      expect(await manager.ended()).toBe('0 0');
      manager.begin();
      await manager.server.says('"listening"', i + 2);
    });
    manager.signal('TERM');
    expect(await manager.ended()).toBe('0 0');
  },
  WAIT_MS,
);

describe('of two servers, to which clients are led by /readyz', () => {
  /** Of a look at each, and of nothing else: as long as the manifests have it, it would be the time of this test. */
  const LOOK_MS = 50;
  const LAMEDUCK_SECONDS = 1;

  test(
    'while each in its turn is told to end, and another takes its place',
    async () => {
      const places = await Promise.all(
        ['a', 'b'].map(async name => {
          const [port, metrics] = [await freePort(), await freePort()];
          const listen = [`127.0.0.1:${port}`];
          const more = { listen, metrics: `127.0.0.1:${metrics}`, lameduckSeconds: LAMEDUCK_SECONDS };
          return { port, metrics, config: store(name, more), isReady: false };
        }),
      );
      const look = ({ metrics }: { metrics: number }): Promise<boolean> =>
        fetch(`http://127.0.0.1:${metrics}/readyz`).then(
          reply => reply.ok,
          () => false,
        );
      let looking = true;
      const looks = (async (): Promise<void> => {
        while (looking) {
          await Promise.all(places.map(async one => (one.isReady = await look(one))));
          await new Promise(resolve => setTimeout(resolve, LOOK_MS));
        }
      })();
      ends.push(() => {
        looking = false;
        return looks;
      });
      const programs = await Promise.all(places.map(({ config }) => serve(config)));
      await until(() => places.every(one => one.isReady));
      const asker = await Asker.start(() => places.filter(one => one.isReady).map(one => one.port));
      await asker.during(async i => {
        const which = i % places.length;
        const { child } = programs[which];
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        expect(await ended).toEqual([0, null]);
        expect(places[which].isReady).toBe(false);
        programs[which] = await serve(places[which].config);
        await until(() => places[which].isReady);
      });
    },
    WAIT_MS,
  );
});
