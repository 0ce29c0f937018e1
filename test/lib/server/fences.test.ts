// What breaks one query leaves the others their answers, on every way in.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import { settle } from '../../support/fake-clock.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';
import { until } from '../../support/until.js';

let server: TestServer;
const unhandled = vi.fn();
beforeEach(() => {
  unhandled.mockClear();
  process.on('unhandledRejection', unhandled).on('uncaughtException', unhandled);
});
afterEach(async () => {
  await server.close();
  await settle();
  process.off('unhandledRejection', unhandled).off('uncaughtException', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});
const broken = (): never => {
  throw new Error('broken');
};

describe.each(['udp', 'dgram', 'tcp'] as const)('over %s', way => {
  const start = async (hooks: Hooks = {}) => {
    server = await TestServer.start(query => answerA(query), {
      udp: way === 'dgram' ? 'dgram' : 'native',
      missRing: { flights: 16, waiters: 16 },
      ...hooks,
    });
  };
  const ask = async (name: string): Promise<number> => rcodeOf((await server.ask(way, makeQuery(name), 60_000))!);

  test('a resolver that throws', async () => {
    await start();
    vi.spyOn(server.server.resolver, 'resolve').mockImplementation(broken);
    vi.spyOn(server.server.resolver, 'ask').mockImplementation(broken);
    // More of them than there are flights: none is lost.
    for (let i = 0; i < 20; i++) expect(await ask(`n${i}.example`)).toBe(2);
    vi.restoreAllMocks();
    expect(await ask('a.example')).toBe(0);
    expect(server.server.resolver.mistakes).toBe(20);
    expect(server.server.plane?.underWay ?? 0).toBe(0);
  });

  test('a resolution that no reply can be made of', async () => {
    await start();
    const rubbish = { kind: 'error', rcode: 'x' as unknown as number, extendedError: 0 } as const;
    vi.spyOn(server.server.resolver, 'resolve').mockResolvedValue(rubbish);
    vi.spyOn(server.server.resolver, 'ask').mockImplementation((_, __, waiting) => waiting.told(rubbish, undefined));
    for (let i = 0; i < 20; i++) expect(await ask(`n${i}.example`)).toBe(2);
    vi.restoreAllMocks();
    expect(await ask('a.example')).toBe(0);
  });

  test('hooks that throw, reject and talk rubbish', async () => {
    const rubbish: (() => unknown)[] = [
      broken,
      () => Promise.reject(new Error('broken')),
      () => ({ refuse: 'NOPE' }),
      () => ({ answer: [{ name: 'a.example', type: 'A', ttl: 60, data: Uint8Array.of(1) }] }),
    ];
    let asked = 0;
    await start({ onQuery: () => rubbish[asked++ % rubbish.length]() as undefined });
    for (let i = 0; i < 24; i++) expect(await ask(`n${i}.example`)).toBe(2);
    asked = NaN;
    expect(server.server.resolver.inFlight).toBe(0);
  });

  test('close() while a client waits for a hook', async () => {
    let asked = false;
    await start({
      onQuery: async () => {
        asked = true;
        await new Promise(resolve => setTimeout(resolve, 50));
        return undefined;
      },
    });
    void server.ask(way, makeQuery('a.example'), 500).catch(() => undefined);
    await until(() => asked);
    await server.close();
    await new Promise(resolve => setTimeout(resolve, 100));
  });
});
