// When a server's recursion begins and ends.
import { expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Rank } from '../../../lib/cache/rrset-cache.js';
import type { Recursor } from '../../../lib/resolve/recurse/recursor.js';
import type { Resolver } from '../../../lib/resolve/resolver.js';
import { Recursion } from '../../../lib/server/recursion.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import type { Exchanger } from '../../../lib/upstream/exchange.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { FakeClock } from '../../support/fake-clock.js';

const wanted = readOptions({ resolver: { recursive: true }, cache: { rrsetMemory: '1MiB', shards: 1 } });
const unwanted = readOptions({ upstreams: ['192.0.2.53'] });

function build() {
  const clock = new FakeClock();
  const resolver = {} as Pick<Resolver, 'recursor' | 'pool'>;
  const tools = { clock, random: systemRandom, log: silentLogger, threads: false, held: new ZoneStore() };
  const recursion = new Recursion(resolver as Resolver, {} as Exchanger, tools);
  const begin = (): Recursor => {
    recursion.prepare(wanted).commit();
    return resolver.recursor!;
  };
  return { clock, resolver, recursion, begin };
}
/** Whether what it finds could still be kept. */
function isOpen({ rrsets }: Recursor): boolean {
  const data = [Uint8Array.of(10, 0, 0, 1)];
  try {
    rrsets.put({ name: encodeName('a.example'), type: Type.A, ttl: 60, data, signatures: [] }, Rank.authoritative);
    return true;
  } catch {
    return false;
  }
}

test('recursion that is wanted no more ends what it has under way first, within the time of a question', async () => {
  const { clock, resolver, recursion, begin } = build();
  const recursor = begin();
  recursion.prepare(unwanted).commit();
  expect(resolver.recursor).toBeUndefined();
  await clock.advance(recursor.options.deadlineMs - 1);
  expect(isOpen(recursor)).toBe(true);
  await clock.advance(1);
  expect(isOpen(recursor)).toBe(false);
});

test('who wants it and does not, again and again, has two that end at the most; a server that closes has none', async () => {
  const { recursion, begin } = build();
  const all = Array.from({ length: 4 }, () => {
    const recursor = begin();
    recursion.prepare(unwanted).commit();
    return recursor;
  });
  await Promise.resolve();
  expect(all.map(isOpen)).toEqual([false, false, true, true]);
  await recursion.close();
  expect(all.map(isOpen)).toEqual([false, false, false, false]);
});
