// Replies of the listeners in JavaScript to many that wait for one answer; without an engine.
import { expect, test } from 'vitest';
import type { Engine } from '../../../lib/cache/engine.js';
import type { Gate } from '../../../lib/clients/gate.js';
import type { Resolution, Resolver } from '../../../lib/resolve/resolver.js';
import { Answerer } from '../../../lib/server/answerer.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { makeQuery } from '../../support/messages.js';

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('however many wait for one great answer, a turn of the event loop makes some of the replies only', async () => {
  const engine = { answer: () => -1, reply: new Uint8Array(65_535), queryType: 1, tag: 0 } as unknown as Engine;
  let answer!: (resolution: Resolution) => void;
  const resolution = new Promise<Resolution>(resolve => (answer = resolve));
  let closed = false;
  const resolver = {
    resolve: () => resolution,
    finish: () => {
      if (closed) throw new Error('the cache is closed');
      return 60_000;
    },
    broke: () => {},
  } as unknown as Resolver;
  const gate = { clientOf: () => undefined } as unknown as Gate;
  const answerer = new Answerer(engine, resolver, new FakeClock(), gate);
  const lengths: (number | undefined)[] = [];
  for (let i = 0; i < 40; i++) {
    answerer.answer(makeQuery('a.example'), { protocol: 'tcp', client: { address: '192.0.2.1', port: 1024 } }, octets =>
      lengths.push(octets?.length),
    );
  }
  answer({ kind: 'cached', tenant: 0 });
  await Promise.resolve().then(() => {});
  const counts: number[] = [lengths.length];
  while (lengths.length < 30) {
    await turn();
    counts.push(lengths.length);
  }
  const greatest = Math.max(...counts.map((count, i) => count - (counts[i - 1] ?? 0)));
  expect(greatest).toBeLessThanOrEqual(5);
  // Who closes meanwhile ends them without a reply.
  closed = true;
  answerer.close();
  await settle();
  await settle();
  expect(lengths).toHaveLength(40);
  expect(lengths.filter(one => one === undefined).length).toBeGreaterThan(5);
});
