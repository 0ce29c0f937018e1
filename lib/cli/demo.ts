// `--demo`: the whole thing on one machine without a network: an upstream with a zone of its own, or with `--recursive` a
// small internet, a load with the shape of real traffic, and a live view of what the cache makes of it.
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from '../admin/create-server.js';
import { drawSecret, hashOf } from '../admin/tokens.js';
import { parseSocketAddress } from '../base/address.js';
import { systemRandom } from '../base/random.js';
import type { ServerOptions } from '../server/settings/settings.js';
import type { Server } from '../server/server.js';
import { headerRcode, setFlags } from '../wire/flags.js';
import { Class, Flag, Rcode, Type } from '../wire/iana.js';
import { buildResponseOrFailure, type ResourceRecord } from '../wire/message.js';
import { encodeName } from '../wire/name.js';
import { Query } from '../wire/query.js';
import { encodeData } from '../wire/record.js';
import { applyFlags, type Flags } from './config.js';
import { DEMO_ZONES, DemoInternet } from './demo-internet.js';
import { say } from './say.js';
import { signals } from './signals.js';

const ZONE = 'demo.example';
const NAMES = 20_000;
const CLIENT_SOCKETS = 4;
/** Queries that the load keeps under way; each reply releases the next. */
const UNDER_WAY = 64;

/** An upstream that answers for `demo.example`: hosts exist up to a number, the rest is NXDOMAIN. */
class DemoUpstream {
  readonly #socket = createSocket({ type: 'udp4', lookup: (address, _options, done) => done(null, address, 4) });
  readonly hints: string[] = [];
  queries = 0;
  port = 0;

  listen(): Promise<void> {
    return new Promise(resolve => {
      this.#socket.on('message', (message, client) => {
        this.queries++;
        const reply = this.#answer(new Query(message));
        // The distance to a real upstream.
        setTimeout(() => this.#socket.send(reply, client.port, client.address, () => {}), 4 + Math.random() * 8);
      });
      this.#socket.bind(0, '127.0.0.1', () => {
        this.port = this.#socket.address().port;
        resolve();
      });
    });
  }
  close(): void {
    this.#socket.close();
  }

  #answer(query: Query): Uint8Array {
    const record = (type: number, ttl: number, data: Uint8Array): ResourceRecord => ({
      name: query.name,
      type,
      dnsClass: Class.IN,
      ttl,
      data,
    });
    const host = /^host-(\d+)\.demo\.example\.$/.exec(query.nameText);
    const number = host === null ? Number.NaN : Number(host[1]);
    // Echo the letters as they came: the resolver checks them.
    const echo = {
      message: query.message,
      name: query.message.slice(12, query.questionEnd - 4),
      type: query.type,
      dnsClass: query.dnsClass,
    };
    if (number < NAMES && query.type === Type.A) {
      const count = 1 + (number % 3);
      const ttl = 5 + ((number * 7919) % 120);
      const answers = Array.from({ length: count }, (_, i) =>
        record(Type.A, ttl, Uint8Array.of(192, 0, 2, (number + i) & 255)),
      );
      return buildResponseOrFailure(echo, {
        rcode: Rcode.NOERROR,
        answers: answers.map(one => ({ ...one, name: echo.name })),
      });
    }
    const zone = encodeName(ZONE);
    const soa = {
      ...record(Type.SOA, 60, encodeData('SOA', `ns.${ZONE} admin.${ZONE} 1 3600 600 86400 30`)),
      name: zone,
    };
    return buildResponseOrFailure(echo, { rcode: number < NAMES ? Rcode.NOERROR : Rcode.NXDOMAIN, authorities: [soa] });
  }
}

/** Clients whose questions follow Zipf's law, one in ten for a name that does not exist, some for AAAA. */
class DemoLoad {
  readonly #sockets: Socket[] = [];
  readonly #sentAt = new Map<number, number>();
  readonly #cumulative: Float64Array;
  /** Latencies of the last second, in microseconds; a ring. */
  readonly latencies = new Float64Array(65_536);
  replies = 0;
  failures = 0;
  #nextId = 0;
  #sum = 0;
  #running = true;
  #strangers = 0;

  constructor(
    private readonly port: number,
    private readonly address: string,
    /** Zones that the names are spread over. */
    private readonly zones: readonly string[],
  ) {
    this.#cumulative = new Float64Array(NAMES);
    for (let i = 0; i < NAMES; i++) this.#cumulative[i] = this.#sum += 1 / (i + 1);
  }

  async start(): Promise<void> {
    for (let i = 0; i < CLIENT_SOCKETS; i++) {
      const socket = createSocket('udp4');
      await new Promise<void>(resolve => socket.connect(this.port, this.address, resolve));
      socket.on('message', message => this.#onReply(socket, message));
      socket.on('error', () => {});
      this.#sockets.push(socket);
    }
    for (let i = 0; i < UNDER_WAY; i++) this.#send(this.#sockets[i % CLIENT_SOCKETS]);
  }
  stop(): void {
    this.#running = false;
    for (const socket of this.#sockets) socket.close();
  }
  /** Sends anew for what got no reply within a second. */
  rescue(): void {
    const now = performance.now();
    for (const [id, at] of this.#sentAt) {
      if (now - at < 1000) continue;
      this.#sentAt.delete(id);
      this.failures++;
      this.#send(this.#sockets[id % CLIENT_SOCKETS]);
    }
  }

  #send(socket: Socket): void {
    if (!this.#running) return;
    const id = (this.#nextId = (this.#nextId + 1) & 0xffff);
    const stranger = Math.random() < 0.02;
    const rank = this.#zipf();
    const zone = this.zones[rank % this.zones.length];
    const number = Math.floor(rank / this.zones.length);
    const name = stranger ? `host-x${this.#strangers++}.${zone}` : `host-${number}.${zone}`;
    const wire = encodeName(name);
    const query = new Uint8Array(12 + wire.length + 4);
    query[0] = id >> 8;
    query[1] = id & 255;
    setFlags(query, Flag.RD);
    query[5] = 1;
    query.set(wire, 12);
    query[12 + wire.length + 1] = Math.random() < 0.15 ? Type.AAAA : Type.A;
    query[12 + wire.length + 3] = 1;
    this.#sentAt.set(id, performance.now());
    socket.send(query);
  }
  #zipf(): number {
    const wanted = Math.random() * this.#sum;
    let low = 0;
    let high = NAMES - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#cumulative[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  #onReply(socket: Socket, message: Uint8Array): void {
    const id = (message[0] << 8) | message[1];
    const at = this.#sentAt.get(id);
    if (at === undefined) return;
    this.#sentAt.delete(id);
    this.latencies[this.replies++ % this.latencies.length] = (performance.now() - at) * 1000;
    if (headerRcode(message) === Rcode.SERVFAIL) this.failures++;
    this.#send(socket);
  }
}

interface Sample {
  replies: number;
  hits: number;
  lookups: number;
}

export async function demo(flags: Flags & { forMs?: number }): Promise<void> {
  const upstream = flags.recursive ? new DemoInternet() : new DemoUpstream();
  await upstream.listen();
  const access = drawnAccess();
  const base: ServerOptions = {
    listen: ['127.0.0.1:5300', '[::1]:5300'],
    cache: { memory: '8MiB' },
    log: { level: 'warn' },
    api: { listen: '127.0.0.1:0', tokens: access.file },
  };
  const resolver = { rootHints: upstream.hints, port: upstream.port, ipv6: false, doNotQueryLocalhost: false };
  const options = flags.recursive
    ? applyFlags(
        { metrics: '127.0.0.1:9153', ...base, resolver, dnssec: { validate: false } },
        { ...flags, upstream: [] },
      )
    : applyFlags(base, { ...flags, upstream: [`127.0.0.1:${upstream.port}`] });
  let server: Server;
  try {
    server = await createServer(options);
  } catch (error) {
    upstream.close();
    throw error;
  } finally {
    access.end();
  }
  const at = parseSocketAddress(server.addresses().udp[0], 'listen');
  const zones = flags.recursive ? DEMO_ZONES : [ZONE];
  const load = new DemoLoad(at.port, at.address, zones);
  await load.start();

  const began = performance.now();
  const sample = (): Sample => {
    const stats = server.engine.stats();
    const hits = stats.hitsPositive + stats.hitsNegative + stats.hitsFailure + stats.hitsStale;
    return { replies: load.replies, hits, lookups: hits + stats.misses };
  };
  const live = process.stdout.isTTY === true;
  let before = sample();
  const show = (): void => {
    load.rescue();
    const now = sample();
    const elapsed = ((performance.now() - began) / 1000).toFixed(0).padStart(4);
    const line = `${elapsed} s  ${describe(now.replies - before.replies, now, before, load, server)}`;
    before = now;
    tell(live ? `\r\x1b[2K${line}` : `${line}\n`);
  };
  // It is there to be looked at: with the last reader it ends.
  let end = (): void => {};
  const over = new Promise<void>(resolve => (end = resolve));
  const tell = (text: string): void =>
    void say(text).then(
      wanted => wanted || end(),
      () => end(),
    );
  tell(
    flags.recursive
      ? `demo: ${server.addresses().udp.join(' ')}, from the root at ${upstream.hints[0]}:${upstream.port} down; try: dig @127.0.0.1 -p ${at.port} elsewhere.${DEMO_ZONES[0]}, and: shardns ctl trace elsewhere.${DEMO_ZONES[0]} --server ${server.settings.metrics?.listen} --fresh\n`
      : `demo: ${server.addresses().udp.join(' ')} -> upstream 127.0.0.1:${upstream.port}, zone ${ZONE}; try: dig @127.0.0.1 -p ${at.port} host-1.${ZONE}\n`,
  );
  tell(`dashboard: ${server.controlUrl}/#token=${access.token}\n`);
  const timer = setInterval(show, 1000);

  signals.on('SIGINT', end);
  signals.on('SIGTERM', end);
  if (flags.forMs !== undefined) setTimeout(end, flags.forMs);
  await over;
  clearInterval(timer);
  load.stop();
  const seconds = (performance.now() - began) / 1000;
  const last = sample();
  const stats = server.engine.stats();
  tell(
    [
      live ? '\n' : '',
      'summary',
      `  time            ${seconds.toFixed(1)} s`,
      `  replies         ${last.replies} (${Math.round(last.replies / seconds)} a second; the load generator shares this machine)`,
      `  hit share       ${percent(last.hits, last.lookups)}`,
      `  latency         p50 ${quantile(load, 0.5)}  p99 ${quantile(load, 0.99)}`,
      `  ${flags.recursive ? 'servers' : 'upstream'} asked`.padEnd(18) + `${upstream.queries} times`,
      `  prefetched      ${server.resolver.stats.prefetches}`,
      `  entries         ${stats.entries} in ${(stats.liveBytes / 1024).toFixed(0)} KiB of ${(server.engine.memoryBytes / 2 ** 20).toFixed(0)} MiB`,
      `  evictions       ${evictions(server)}`,
      `  failures        ${load.failures}`,
      '',
    ].join('\n'),
  );
  await server.drain(2000);
  upstream.close();
}

/** A token of this run, in a file for as long as the server reads it. */
function drawnAccess(): { token: string; file: string; end(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-demo-'));
  const file = join(folder, 'tokens');
  const token = drawSecret(systemRandom);
  writeFileSync(file, `write ${hashOf(token).toString('hex')} demo\n`, { mode: 0o600 });
  return { token, file, end: () => rmSync(folder, { recursive: true, force: true }) };
}

function describe(replies: number, now: Sample, before: Sample, load: DemoLoad, server: Server): string {
  return [
    `${String(replies).padStart(7)} replies/s`,
    `hits ${percent(now.hits - before.hits, now.lookups - before.lookups)}`,
    `p50 ${quantile(load, 0.5)}`,
    `p99 ${quantile(load, 0.99)}`,
    `evictions ${evictions(server)}`,
  ].join('  ');
}
function percent(part: number, whole: number): string {
  return whole === 0 ? '  -  ' : `${((100 * part) / whole).toFixed(1)} %`;
}
function quantile(load: DemoLoad, q: number): string {
  const count = Math.min(load.replies, load.latencies.length);
  if (count === 0) return '-';
  const sorted = load.latencies.slice(0, count).sort();
  return `${(sorted[Math.min(count - 1, Math.floor(count * q))] / 1000).toFixed(2)} ms`;
}
function evictions(server: Server): number {
  const stats = server.engine.stats();
  return stats.evictionsSmall + stats.evictionsMain + stats.evictionsNegative + stats.evictionsIndex;
}
