// What settings may say of zones that go from server to server, and what is said of those that may not.
import { describe, expect, test } from 'vitest';
import { tsigKeysOf, transferOptionsOf } from '../../../lib/server/settings/zone-transfers.js';
import { encodeName } from '../../../lib/wire/name.js';
import { peerText } from '../../../lib/zone/transfer/primary-connection.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { keyIn, parseAccessRule } from '../../../lib/zone/access.js';

const SECRET = 'MDEyMzQ1Njc4OWFiY2RlZg==';
const KEYS = [{ name: 'k', secret: SECRET }];
const wrong = (options: ServerOptions): string => {
  try {
    readOptions(options);
    return 'good';
  } catch (error) {
    return (error as Error).message;
  }
};
type Zone = NonNullable<ServerOptions['zones']>[number];
const zone = (more: Partial<Zone>): string => wrong({ tsigKeys: KEYS, zones: [{ name: 'example', ...more }] });
const file = 'example.zone';

describe('a zone', () => {
  test.each<[string, Partial<Zone>, RegExp]>([
    ['a primary with a file', { file, allowTransfer: ['key k'], notify: ['192.0.2.1 key k'] }, /^good$/],
    ['a primary whose name servers are told', { file, notify: ['ns key k', '192.0.2.1'] }, /^good$/],
    [
      'name servers as primaries',
      { type: 'secondary', primaries: ['ns'] },
      /primaries\[0\]: expected a numeric address/,
    ],
    [
      'a key of name servers that is not there',
      { file, notify: ['ns key other'] },
      /notify\[0\]: expected a key of tsigKeys, not other/,
    ],
    [
      'a secondary with primaries',
      { type: 'secondary', primaries: ['192.0.2.1', 'tls://192.0.2.2#ns.example key k'] },
      /^good$/,
    ],
    [
      'a catalog of others',
      { type: 'catalog', primaries: ['192.0.2.1'], members: { allowedNames: ['example'] } },
      /^good$/,
    ],
    ['a copy of the root', { name: '.', type: 'secondary', primaries: ['192.0.2.1'], serves: 'recursion' }, /^good$/],
    ['a secondary that falls back', { type: 'secondary', primaries: ['192.0.2.1'], fallback: true }, /^good$/],
    [
      'a catalog for recursion',
      { type: 'catalog', primaries: ['192.0.2.1'], serves: 'recursion' },
      /serves: expected clients of a catalog/,
    ],
    [
      'a fallback of what serves recursion',
      { file, serves: 'recursion', fallback: true },
      /fallback: expected it of a zone that serves clients only/,
    ],
    ['a primary without a file', {}, /zones\[0\].file: expected the file of a primary zone/],
    [
      'a primary with primaries',
      { file, primaries: ['192.0.2.1'] },
      /zones\[0\].primaries: expected none of a primary zone/,
    ],
    [
      'a secondary without primaries',
      { type: 'secondary' },
      /zones\[0\].primaries: expected whom a secondary zone is had from/,
    ],
    [
      'a secondary with a file',
      { type: 'secondary', primaries: ['192.0.2.1'], file },
      /zoneTransfers.folder is where it is kept/,
    ],
    [
      'a primary that is no address',
      { type: 'secondary', primaries: ['ns.example'] },
      /zones\[0\].primaries\[0\]: expected ADDRESS/,
    ],
    ['a primary over HTTPS', { type: 'secondary', primaries: ['https://192.0.2.1/'] }, /expected ADDRESS/],
    [
      'a key that is not there',
      { file, allowTransfer: ['key other'] },
      /allowTransfer\[0\]: expected a key of tsigKeys, not other/,
    ],
    [
      'a key of an update that is not there',
      { file, allowUpdate: [{ key: 'x' }] },
      /allowUpdate\[0\].key: expected a key of tsigKeys/,
    ],
    ['a rule that is none', { file, allowTransfer: ['anybody'] }, /zones\[0\].allowTransfer\[0\]: expected/],
    [
      'updates of a secondary',
      { type: 'secondary', primaries: ['192.0.2.1'], allowUpdate: [{ key: 'k' }] },
      /expected none but of a primary/,
    ],
    [
      'a digest of what updates change',
      { file, makeDigest: true, allowUpdate: [{ key: 'k' }] },
      /makeDigest: expected it of a primary zone without updates/,
    ],
  ])('%s', (_, options, expected) => {
    expect(zone(options)).toMatch(expected);
  });
  test('of a view does not go to other servers', () => {
    const views = [{ name: 'inside', clients: ['10.0.0.0/8'] }];
    expect(
      wrong({ views, zones: [{ name: 'example', file, views: ['inside'], allowTransfer: ['10.0.0.1'] }] }),
    ).toMatch(/views: expected none of a zone that comes from other servers/);
  });
});

test('name servers are told with their key, beside those that are given by address', () => {
  const keys = tsigKeysOf({ tsigKeys: [{ ...KEYS[0], algorithm: 'hmac-sha256' }] });
  const optionsOf = (notify: string[]) => {
    const { zones } = readOptions({ tsigKeys: KEYS, zones: [{ name: 'example', file, notify }] });
    return transferOptionsOf(zones[0], keys);
  };
  const some = optionsOf(['192.0.2.1', 'ns key k']);
  expect([some.notify.map(peerText), some.notifyServers?.key?.name]).toEqual([['192.0.2.1:53'], encodeName('k')]);
  expect(optionsOf(['ns']).notifyServers).toEqual({ key: undefined });
  expect(optionsOf(['192.0.2.1']).notifyServers).toBeUndefined();
});

test('a secret that is wrong is not shown', () => {
  const said = wrong({ tsigKeys: [{ name: 'k', secret: 'my very own secret!' }] });
  expect(said).toMatch(/tsigKeys\[0\].secret: expected base64 of 8 to 512 octets/);
  expect(said).not.toContain('my very own');
});

describe('a rule of access', () => {
  test.each([
    ['192.0.2.0/24', false, undefined],
    ['key transfer.example', false, 'transfer.example'],
    ['tls 2001:db8::/32 key k', true, 'k'],
  ])('%s', (text, tls, key) => {
    expect([parseAccessRule(text, '').tls, keyIn(text)]).toEqual([tls, key]);
  });
  test.each(['', 'tls', 'key', '192.0.2.1 k', 'key a b', '300.0.0.1'])('%j is none', text => {
    expect(() => parseAccessRule(text, 'allowTransfer')).toThrow(/allowTransfer: expected/);
  });
});
