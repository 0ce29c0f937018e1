// The order of addresses as dns.lookup gives it: RFC 6724, in each family and whatever family comes first.
import dns from 'node:dns';
import dnsPacket from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { LocalAddresses, sortAddresses } from '../../../lib/node/address-order.js';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import type { LookupAddress, LookupCallOptions } from '../../../lib/node/lookup-call.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { makeResponse } from '../../support/messages.js';

const INTERFACES = ['127.0.0.1/8', '::1/128', '10.77.0.1/24', 'fd77::1/64', '2001:db8:ffff::1/64', 'fe80::77/64'];
const sorted = (addresses: string[], interfaces = INTERFACES): string[] =>
  sortAddresses(addresses, new LocalAddresses(new FakeClock(), () => interfaces));

test('what has no source of its family comes last (rule 1)', () => {
  const given = ['2001:db8::1', '192.0.2.1'];
  expect(sorted(given)).toEqual(given);
  expect(sorted(given, ['127.0.0.1/8', '10.77.0.1/24'])).toEqual(['192.0.2.1', '2001:db8::1']);
});

test.each<[string, string[], string[]]>([
  ['loopback before the rest (rule 8)', ['192.0.2.9', '127.0.0.5'], ['127.0.0.5', '192.0.2.9']],
  [
    'what only a source of wider scope reaches comes last (rule 2)',
    ['169.254.1.1', '192.0.2.9'],
    ['192.0.2.9', '169.254.1.1'],
  ],
  [
    'the own subnet first, nearest first (rule 9)',
    ['192.0.2.1', '10.77.0.200', '10.77.0.5', '10.77.0.2'],
    ['10.77.0.2', '10.77.0.5', '10.77.0.200', '192.0.2.1'],
  ],
  [
    'outside it as they came',
    ['192.0.2.5', '10.77.1.1', '192.0.2.1', '11.0.0.1'],
    ['192.0.2.5', '10.77.1.1', '192.0.2.1', '11.0.0.1'],
  ],
  [
    'IPv6 by the longer match',
    ['2001:db8::3', 'fd77:0:0:8000::1', 'fd77::2'],
    ['2001:db8::3', 'fd77::2', 'fd77:0:0:8000::1'],
  ],
  ['mapped as IPv4 is reached', ['::ffff:192.0.2.1', '::ffff:127.0.0.1'], ['::ffff:127.0.0.1', '::ffff:192.0.2.1']],
])('%s', (_, given, expected) => {
  expect(sorted(given)).toEqual(expected);
});

test('an own address of which no subnet is known is near to nothing but itself', () => {
  expect(sorted(['10.77.0.2', '192.0.2.1', '10.77.0.1'], ['10.77.0.1'])).toEqual([
    '10.77.0.1',
    '10.77.0.2',
    '192.0.2.1',
  ]);
});

const open: CachedLookup[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});
const ADDRESSES = ['192.0.2.1', '10.77.0.2', '127.0.0.1', 'fd77:0:0:8000::1', '2001:db8::1', '::1'];
function make(settings: LookupOptions = {}): CachedLookup {
  const clock = new FakeClock();
  const transport = new FakeTransport(clock, query => {
    const [{ name, type }] = dnsPacket.decode(query).questions!;
    const mine = ADDRESSES.filter(one => one.includes(':') === (type === 'AAAA'));
    return makeResponse(query, { answers: mine.map(data => ({ type: type as 'A', name, ttl: 300, data })) });
  });
  const one = new CachedLookup(
    { memory: '1MiB', resolvConf: false, hostsFile: false, servers: ['192.0.2.53'], ...settings },
    { clock, udpTransport: transport, tcpTransport: transport, interfaces: () => INTERFACES },
  );
  open.push(one);
  return one;
}
async function looked(options: LookupCallOptions, by = make()): Promise<string[]> {
  const found = new Promise<string[]>((resolve, reject) =>
    by.lookup('a.example', { ...options, all: true }, (error, list: LookupAddress[]) =>
      error ? reject(error) : resolve(list.map(({ address }) => address)),
    ),
  );
  await settle();
  return found;
}

const SORTED4 = ['127.0.0.1', '10.77.0.2', '192.0.2.1'];
const SORTED6 = ['::1', '2001:db8::1', 'fd77:0:0:8000::1'];
const MAPPED = SORTED4.map(one => `::ffff:${one}`);
test.each<[LookupCallOptions, string[]]>([
  [{ family: 4 }, SORTED4],
  [{ family: 6 }, SORTED6],
  [{ order: 'ipv4first' }, [...SORTED4, ...SORTED6]],
  [{ order: 'ipv6first' }, [...SORTED6, ...SORTED4]],
  [{ family: 6, hints: dns.V4MAPPED }, SORTED6],
  [{ family: 6, hints: dns.V4MAPPED | dns.ALL }, ['::1', '2001:db8::1', ...MAPPED, SORTED6[2]]],
  [{ order: 'verbatim' }, ['::1', '2001:db8::1', ...SORTED4, SORTED6[2]]],
])('lookup with %o', async (options, expected) => {
  expect(await looked(options)).toEqual(expected);
});

test('addresses that are turned on request are not sorted by how near they are', async () => {
  const by = make({ rotate: true });
  const seconds = new Set<string>();
  for (let i = 0; i < 40; i++) seconds.add((await looked({ family: 4 }, by))[1]);
  expect([...seconds].sort()).toEqual(['10.77.0.2', '192.0.2.1']);
});
