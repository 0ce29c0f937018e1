// From settings to a recursor, and what a change of settings reaches.
import { expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { ByteCache } from '../../../lib/cache/bytes/byte-cache.js';
import { Rank } from '../../../lib/cache/rrset-cache.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import { makeRecursor, makeRrsetMemory, updateRecursor } from '../../../lib/server/recursor-settings.js';
import type { Exchanger } from '../../../lib/upstream/exchange.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import { FakeClock } from '../../support/fake-clock.js';

test('a change of settings reaches the options of the recursor, and for how long its RRsets are kept stale', () => {
  const settings = readOptions({ resolver: { recursive: true }, cache: { rrsetMemory: '1MiB', shards: 1 } });
  const tools = { clock: new FakeClock(), random: systemRandom, upstreams: () => [] };
  const recursor = makeRecursor(settings, makeRrsetMemory(settings, false), {} as Exchanger, tools);
  const name = encodeName('www.example.com');
  const data = [Uint8Array.of(10, 0, 0, 1)];
  recursor.rrsets.put({ name, type: Type.A, ttl: 60, data, signatures: [] }, Rank.authoritative);
  recursor.rrsets.bytes.native.shiftClock(100_000);
  const isThere = (): boolean => recursor.rrsets.get(name, Type.A, true) !== undefined;
  expect(isThere()).toBe(true);
  updateRecursor(
    recursor,
    readOptions({ resolver: { recursive: true, maxAliases: 3 }, stale: { windowSeconds: 30 } }),
    tools,
  );
  expect(recursor.options.maxAliases).toBe(3);
  expect(isThere()).toBe(false);
  updateRecursor(recursor, readOptions({ resolver: { recursive: true }, stale: { windowSeconds: 60 } }), tools);
  expect(isThere()).toBe(true);
  updateRecursor(recursor, readOptions({ resolver: { recursive: true }, stale: { enabled: false } }), tools);
  expect(isThere()).toBe(false);
  recursor.rrsets.close();
});

test('a thread that is started after a change keeps RRsets stale for as long as the others', () => {
  const settings = readOptions({ resolver: { recursive: true }, cache: { rrsetMemory: '1MiB', shards: 1 } });
  const memory = makeRrsetMemory(settings, true);
  const handle = memory.share();
  const changed = readOptions({ resolver: { recursive: true }, stale: { windowSeconds: 30 } });
  const tools = { clock: new FakeClock(), random: systemRandom, upstreams: () => [] };
  const late = [settings, changed].map(one => makeRecursor(one, ByteCache.attach(handle), {} as Exchanger, tools));
  const name = encodeName('www.example.com');
  const data = [Uint8Array.of(10, 0, 0, 1)];
  late[0].rrsets.put({ name, type: Type.A, ttl: 60, data, signatures: [] }, Rank.authoritative);
  for (const { rrsets } of late) rrsets.bytes.native.shiftClock(100_000);
  expect(late.map(({ rrsets }) => rrsets.get(name, Type.A, true) !== undefined)).toEqual([true, false]);
  for (const { rrsets } of late) rrsets.close();
  memory.close();
});
