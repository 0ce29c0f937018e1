// An upstream that looks nothing up tells an alias, and not what it leads to: that is asked for as well, and kept.
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, describe, expect, test } from 'vitest';
import { createServer, type Server, type ServerOptions } from '../../../lib/index.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, makeResponse, type QueryShape, rcodeOf, soa } from '../../support/messages.js';

let server: Server;
let socket: Socket;
let asked: string[];
afterEach(async () => {
  await server.close();
  socket.close();
});

type Say = (query: Buffer, name: string, type: string) => Buffer | undefined;
const alias = (query: Buffer, ...names: string[]): Buffer =>
  makeResponse(query, {
    flags: 0x0400,
    answers: names.slice(1).map((data, i) => ({ type: 'CNAME', name: names[i], ttl: 600, data })),
  });

async function start(say: Say, options: ServerOptions = {}): Promise<void> {
  asked = [];
  socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type } = decode(query).questions![0];
    asked.push(`${name.toLowerCase()} ${type}`);
    const reply = say(query, name.toLowerCase(), type);
    if (reply !== undefined) socket.send(reply, from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  const upstreams = [`127.0.0.1:${socket.address().port}`];
  server = await createServer({
    listen: ['127.0.0.1:0'],
    threads: 1,
    upstreams,
    cache: { memory: '64MiB' },
    ...options,
  });
}
async function ask(way: string, name: string, shape: QueryShape = {}): Promise<Buffer> {
  const { udp, tcp } = server.addresses();
  const query = makeQuery(name, shape);
  return (way === 'tcp' ? (await askTcp(tcp[0], [query], 60_000))[0] : await askUdp(udp[0], query, 60_000))!;
}
const answersOf = (reply: Buffer): string[] =>
  (decode(reply).answers as { name: string; type: string; data: unknown }[]).map(
    ({ name, type, data }) => `${name} ${type} ${String(data)}`,
  );

describe.each(['native', 'dgram', 'tcp'])('over %s', way => {
  const udp = way === 'dgram' ? 'dgram' : 'native';

  test('it is followed, told whole and kept for as long as the shortest of it', async () => {
    await start((query, name) => (name === 'a.example' ? alias(query, 'a.example', 'b.example') : answerA(query, 60)), {
      udp,
    });
    const whole = ['a.example CNAME b.example', 'b.example A 192.0.2.1'];
    const reply = await ask(way, 'a.example');
    expect(answersOf(reply)).toEqual(whole);
    expect(decode(reply).flag_aa).toBe(false);
    expect(answersOf(await ask(way, 'a.example'))).toEqual(whole);
    expect(answersOf(await ask(way, 'b.example'))).toEqual(whole.slice(1));
    expect(asked).toEqual(['a.example A', 'b.example A']);
    const kept = decode(await ask(way, 'a.example')).answers as { ttl: number }[];
    expect(kept[1].ttl).toBeLessThanOrEqual(60);
    expect(server.report().cache.entries).toBe(2);
  });

  test('so are aliases of aliases, and an end that is denied is kept as one', async () => {
    await start(
      (query, name) => {
        if (name === 'a.example') return alias(query, 'a.example', 'b.example', 'c.example');
        if (name === 'c.example') return alias(query, 'c.example', 'd.example');
        return makeResponse(query, { rcode: 3, authorities: [soa('example')] });
      },
      { udp },
    );
    for (let i = 0; i < 2; i++) {
      const reply = await ask(way, 'a.example');
      expect(rcodeOf(reply)).toBe(3);
      expect(answersOf(reply).map(one => one.split(' ').at(-1))).toEqual(['b.example', 'c.example', 'd.example']);
    }
    expect(asked).toEqual(['a.example A', 'c.example A', 'd.example A']);
  });
});

test('where it leads back to itself, or to what cannot be had, it is told as it is and not kept', async () => {
  await start(
    (query, name) => {
      if (name === 'a.example') return alias(query, 'a.example', 'b.example');
      if (name === 'b.example') return alias(query, 'b.example', 'a.example');
      if (name === 'self.example') return alias(query, 'self.example', 'self.example');
      if (name === 'lame.example') return alias(query, 'lame.example', 'refused.example');
      return makeResponse(query, { rcode: 5 });
    },
    { failure: { firstSeconds: 1, maxSeconds: 1 } },
  );
  expect(answersOf(await ask('udp', 'a.example'))[0]).toBe('a.example CNAME b.example');
  expect(answersOf(await ask('udp', 'self.example'))).toEqual(['self.example CNAME self.example']);
  const lame = await ask('udp', 'lame.example');
  expect([rcodeOf(lame), answersOf(lame)]).toEqual([0, ['lame.example CNAME refused.example']]);
  expect(asked.length).toBeLessThan(12);
});

test('a long chain of them ends', async () => {
  await start((query, name) => alias(query, name, `n${Number(/\d+/.exec(name)?.[0] ?? 0) + 1}.example`));
  expect(rcodeOf(await ask('udp', 'n0.example'))).toBe(0);
  expect(asked.length).toBeLessThanOrEqual(12);
});

test('an alias that was asked for, one whose end has no such records by its SOA, and one with them are no such answers', async () => {
  await start((query, name, type) => {
    const cname = { type: 'CNAME', name, ttl: 300, data: 'b.example' } as const;
    if (type === 'CNAME') return alias(query, name, 'b.example');
    if (name === 'nodata.example') return makeResponse(query, { answers: [cname], authorities: [soa('example')] });
    return makeResponse(query, { answers: [cname, { type: 'A', name: 'b.example', ttl: 300, data: '192.0.2.1' }] });
  });
  for (let i = 0; i < 2; i++) {
    await ask('udp', 'a.example', { type: 'CNAME' });
    await ask('udp', 'nodata.example');
    await ask('udp', 'whole.example');
  }
  expect(asked).toEqual(['a.example CNAME', 'nodata.example A', 'whole.example A']);
});
