// Limits of how often clients may ask, alike on every way in: who is over, what becomes of it, and who is exempt.
import { afterEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../lib/admin/metrics.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { isTruncated } from '../../../lib/wire/flags.js';
import { findOption } from '../../../lib/wire/opt.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, makeQuery, makeResponse, rcodeOf, soa } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** So seldom that no time passes by which another query may come. */
const SELDOM = 0.01;
type Said = 'answered' | 'truncated' | 'refused' | 'nothing';

async function open(way: string, rateLimit: ServerOptions['rateLimit'], options: ServerOptions = {}): Promise<void> {
  server = await TestServer.start(
    query =>
      query.includes('nx') ? makeResponse(query, { rcode: 3, authorities: [soa('example')] }) : answerA(query, 300),
    {
      udp: way === 'dgram' ? 'dgram' : 'native',
      // 100 seconds' worth of one in 100 seconds: one query.
      rateLimit: { enabled: true, queriesPerSecond: SELDOM, burst: 100, ...rateLimit },
      ...options,
    },
  );
}

async function ask(way: string, name = 'a.example', from = '127.0.0.1', query = makeQuery(name)): Promise<Said> {
  const { udp, tcp } = server!.server.addresses();
  const reply =
    way === 'tcp' ? (await askTcp(tcp[0], [query], 60_000, from))[0] : await askUdp(udp[0], query, 3000, from);
  if (reply === undefined) return 'nothing';
  if (isTruncated(reply)) return 'truncated';
  return rcodeOf(reply) === 5 ? 'refused' : 'answered';
}
async function asked(way: string, times: number, name?: string, from?: string): Promise<Said[]> {
  const said: Said[] = [];
  for (let i = 0; i < times; i++) said.push(await ask(way, name, from));
  return said;
}

describe.each(['native', 'dgram'])('over UDP, %s', way => {
  test.each([
    ['drop', ['answered', 'nothing', 'nothing']],
    ['truncate', ['answered', 'truncated', 'truncated']],
    ['refuse', ['answered', 'refused', 'refused']],
    ['slip', ['answered', 'truncated', 'nothing', 'truncated']],
  ] as const)('what is over is answered by the action %s', async (action, said) => {
    await open(way, { action });
    expect(await asked(way, said.length)).toEqual(said);
  });

  test('a prefix is one client, another prefix another, and an exempt one is not counted', async () => {
    await open(way, { action: 'refuse', exempt: ['127.0.9.0/24'] });
    expect(await ask(way, 'a.example', '127.0.1.1')).toBe('answered');
    expect(await ask(way, 'a.example', '127.0.1.2')).toBe('refused');
    expect(await ask(way, 'a.example', '127.0.2.2')).toBe('answered');
    expect(await asked(way, 3, 'a.example', '127.0.9.1')).toEqual(['answered', 'answered', 'answered']);
    await server!.server.update({ rateLimit: { ipv4Prefix: 32, exempt: [] } });
    expect(await asked(way, 2, 'a.example', '127.0.9.1')).toEqual(['answered', 'refused']);
    expect(await ask(way, 'a.example', '127.0.9.2')).toBe('answered');
  });

  test('who slows down comes back', async () => {
    await open(way, { action: 'refuse' });
    expect(await asked(way, 2)).toEqual(['answered', 'refused']);
    server!.advance(101);
    expect(await asked(way, 2)).toEqual(['answered', 'refused']);
  });

  test('a dry run counts and answers', async () => {
    await open(way, { dryRun: true });
    expect(await asked(way, 3)).toEqual(['answered', 'answered', 'answered']);
    expect(server!.server.report().edge.overLimit).toBe(2);
    expect(await new Metrics(server!.server).text()).toContain('shardns_rate_limited_total 2');
  });

  test('misses have a limit of their own, which hits do not use', async () => {
    await open(way, { queriesPerSecond: 1000, missesPerSecond: SELDOM, action: 'refuse' });
    expect(await asked(way, 3, 'a.example')).toEqual(['answered', 'answered', 'answered']);
    expect(await asked(way, 2, 'b.example')).toEqual(['refused', 'refused']);
    expect(server!.asked).toBe(1);
  });

  test('names that do not exist have one too, whether they are found in the cache or upstream', async () => {
    await open(way, { queriesPerSecond: 1000, nxdomainPerSecond: SELDOM, action: 'refuse' });
    expect(await asked(way, 2, 'nx.example')).toEqual(['answered', 'refused']);
    expect(await asked(way, 1, 'nx2.example')).toEqual(['refused']);
    expect(await asked(way, 2, 'a.example')).toEqual(['answered', 'answered']);
  });

  test('refusals of those who may not ask are limited, and then dropped', async () => {
    await open(way, { action: 'truncate' }, { allow: ['127.0.0.1'] });
    expect(await asked(way, 3, 'a.example', '127.0.3.1')).toEqual(['refused', 'nothing', 'nothing']);
  });

  test('a good cookie lifts the limit to that of those who have proven their address', async () => {
    await open(way, { action: 'drop', provenTimes: 0 }, { cookies: { enabled: true } });
    const client = { code: 10, data: Buffer.from('2464c4abcf10c957', 'hex') };
    const { udp } = server!.server.addresses();
    const first = await askUdp(udp[0], makeQuery('a.example', { options: [client] }));
    expect(await ask(way)).toBe('nothing');
    const data = Buffer.from(findOption(first!, 10)!);
    for (let i = 0; i < 3; i++) {
      expect(await ask(way, '', '127.0.0.1', makeQuery('a.example', { options: [{ code: 10, data }] }))).toBe(
        'answered',
      );
    }
    data[20] ^= 1;
    expect(await ask(way, '', '127.0.0.1', makeQuery('a.example', { options: [{ code: 10, data }] }))).toBe('nothing');
  });
});

test('over TCP clients have a limit of their own, and are refused, whatever the action', async () => {
  await open('tcp', { action: 'drop', provenTimes: 3 });
  expect(await asked('tcp', 4)).toEqual(['answered', 'answered', 'answered', 'refused']);
  expect(await asked('udp', 2)).toEqual(['answered', 'nothing']);
});

test('without a limit for the proven TCP is answered always', async () => {
  await open('tcp', { action: 'drop', provenTimes: 0 });
  expect(await asked('tcp', 5)).toEqual(Array(5).fill('answered'));
});

test('its memory is that of its counters', async () => {
  await open('native', { counters: 65_536 });
  expect(server!.server.report().gateMemoryBytes).toBeGreaterThanOrEqual(65_536 * 8);
  expect(server!.server.report().gateMemoryBytes).toBeLessThan(65_536 * 8 + 100_000);
  await server!.server.update({ rateLimit: { enabled: false } });
  expect(server!.server.report().gateMemoryBytes).toBe(0);
});

test.each([
  [{ queriesPerSecond: 0 }, /rateLimit\.queriesPerSecond: .*got 0/],
  [{ action: 'delay' as 'drop' }, /rateLimit\.action: .*got "delay"/],
  [{ exempt: ['x'] }, /rateLimit\.exempt\[0\]: expected an address or a prefix.*got "x"/],
  [{ ipv4Prefix: 33 }, /rateLimit\.ipv4Prefix: .*got 33/],
])('what is no limit is named: %j', async (rateLimit, message) => {
  await expect(TestServer.start(query => answerA(query), { rateLimit })).rejects.toThrow(message);
});
