// Updates that come twice are known again, key by key.
import { expect, test } from 'vitest';
import { encodeName } from '../../../lib/wire/name.js';
import type { TsigRecord } from '../../../lib/zone/tsig/record.js';
import { ReplaysOfKeys } from '../../../lib/zone/update/replays.js';

const NOW = 1_000_000;
let macs = 0;
const signedBy = (key: string, timeSigned = NOW, fudge = 300): TsigRecord => ({
  name: encodeName(key),
  algorithm: encodeName('hmac-sha256'),
  timeSigned,
  fudge,
  mac: Buffer.from(`${macs++}`),
  originalId: 1,
  error: 0,
  other: new Uint8Array(0),
});

test('a message that comes again is answered as it was; more than are remembered refuse older ones', async () => {
  const replays = new ReplaysOfKeys();
  let done = 0;
  const take = (one: TsigRecord) => replays.of(one).take(one, NOW, () => Promise.resolve(Uint8Array.of(++done)));
  const first = signedBy('a', NOW - 10);
  expect([await take(first), await take(first)]).toEqual([Uint8Array.of(1), Uint8Array.of(1)]);
  for (let i = 0; i < 1024; i++) await take(signedBy('a'));
  expect(take(first)).toBe(undefined);
});

test('a key that signs much, or for times to come, takes nothing from other keys', async () => {
  const replays = new ReplaysOfKeys();
  const take = (one: TsigRecord) => replays.of(one).take(one, NOW, () => Promise.resolve(undefined));
  for (let i = 0; i < 5000; i++) await take(signedBy('loud', NOW + 60_000, 65_535));
  expect(take(signedBy('loud'))).toBe(undefined);
  expect(take(signedBy('quiet'))).toBeInstanceOf(Promise);
});
