// Hosts that getaddrinfo knows without asking, beside dns.lookup itself, which asks nobody for them either.
import dns from 'node:dns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { asciiName, isLocalhost, oldAddress } from '../../../lib/node/host-names.js';

const NUMERIC = [
  ...['127.1', '127.0.1', '127.256', '127.1.65535', '1', '0', '2130706433', '4294967295', '00.0', '1.2.3.4'],
  ...['0x7f.0.0.1', '0X7F.1', '0x7f000001', '0177.0.0.1', '127.0.0.01', '010.8', '0xff.255.0xff.0377'],
  ...['127。1', '１２７.0.0.1', '１２７．１'],
  ...['::1', '2001:DB8::A', '::ffff:127.0.0.1', 'fe80::1%lo', 'fe80::1%1', 'fe80::1%99', 'FE80::1%lo', 'ff02::1%lo'],
];
const OPTIONS = [
  ...[0, 4, 6].flatMap(family => [{ family }, { family, all: true }]),
  { family: 6, hints: dns.V4MAPPED },
  { family: 6, hints: dns.V4MAPPED | dns.ALL, all: true },
  { family: 4, hints: dns.V4MAPPED },
];

let cached: CachedLookup;
beforeAll(() => {
  cached = new CachedLookup({
    servers: ['192.0.2.1'],
    memory: '1MiB',
    resolvConf: false,
    hostsFile: false,
    timeoutMs: 10,
  });
});
afterAll(() => cached.close());

const outcomeOf = (lookup: typeof dns.lookup, host: string, options: dns.LookupOptions): Promise<unknown> =>
  new Promise(resolve =>
    lookup(host, options, (error, address, family) => {
      const { code, errno, message, syscall, hostname } = (error ?? {}) as NodeJS.ErrnoException & {
        hostname?: string;
      };
      resolve({ code, errno, message, syscall, hostname, address, family });
    }),
  );

test.each(NUMERIC)('%s is what it is for dns.lookup, in each family', async host => {
  for (const options of OPTIONS) {
    const [mine, theirs] = await Promise.all([cached.lookup, dns.lookup].map(one => outcomeOf(one, host, options)));
    expect({ options, ...(mine as object) }).toEqual({ options, ...(theirs as object) });
  }
});

test.each([
  ...['08.1.1.1', '256.1.1.1', '1.2.3.4.5', '4294967296', '127.65536.1', '127.1.65536', '0x', '1.', '.1', '127..1'],
  ...['1e3', '-1', '+1', '0b1', '0x1g', '', 'a', '1.2.3.a', '127.0.0.1 ', ' 127.0.0.1', '09', '1_0'],
])('%j is no address', host => {
  expect(oldAddress(host)).toBeUndefined();
});

describe('localhost', () => {
  test.each(['localhost', 'LocalHost', 'app.localhost', 'a.b.LOCALHOST'])('%s is', name => {
    expect(isLocalhost(name)).toBe(true);
  });
  test.each(['', 'localhos', 'mylocalhost', 'localhost.example', 'localhost4', 'alocalhost', '-localhost'])(
    '%j is not',
    name => {
      expect(isLocalhost(name)).toBe(false);
    },
  );
});

test.each([
  ['bücher.example', 'xn--bcher-kva.example'],
  ['BÜCHER.example.', 'xn--bcher-kva.example.'],
  ['_sip._tcp.bücher.example', '_sip._tcp.xn--bcher-kva.example'],
  ['straße.example', 'xn--strae-oqa.example'],
  ['日本語。example', 'xn--wgv71a119e.example'],
  ['Plain.Example', 'Plain.Example'],
  ['ü b', undefined],
  ['\u00ad', undefined],
])('%j is asked for as %j', (name, asked) => {
  expect(asciiName(name)).toBe(asked);
});
