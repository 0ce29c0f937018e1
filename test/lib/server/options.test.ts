// Options that cannot be meant: refused by name where nothing could work, told where one is not used.
import { expect, test } from 'vitest';
import { type Circumstances, contradictions as contradictionsAt } from '../../../lib/server/settings/contradictions.js';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';

const NOW = 1_800_000_000;
const contradictions = (options: ServerOptions, how: Partial<Circumstances> = {}): string[] =>
  contradictionsAt(options, { now: NOW, ...how });

test.each<[ServerOptions, string]>([
  [{ listen: ['127.0.0.1:53', '127.0.0.1:53'] }, 'listen[1]: expected an address that is listed once'],
  [{ listen: ['[2001:db8::1]:53', '[2001:DB8:0::1]:53'] }, 'listen[1]: expected an address that is listed once'],
  [{ listen: ['127.0.0.1:53', '0.0.0.0:53'] }, 'listen[0]: expected an address that is not part of 0.0.0.0:53'],
  [{ listen: ['[::]:53', '[::1]:53'] }, 'listen[1]: expected an address that is not part of [::]:53'],
])('%j: nothing can listen twice on an address', (options, message) => {
  expect(() => readOptions(options)).toThrow(message);
});
test('addresses that only look alike are listened on', () => {
  const listen = [
    '0.0.0.0:53',
    '[::]:53',
    '127.0.0.1:54',
    '127.0.0.1:0',
    '127.0.0.1:0',
    '[fe80::1%a]:55',
    '[fe80::1%b]:55',
  ];
  expect(readOptions({ listen }).listen).toEqual(listen);
});

const servers = ['192.0.2.1'];
test.each<[ServerOptions, string]>([
  [{ local: { zones: [{ name: '*.ads.example', kind: 'nxdomain' }] } }, 'local.zones[0].name'],
  [
    { views: [{ name: 'v', clients: servers, local: { zones: [{ name: '*.ads.example', kind: 'null' }] } }] },
    'views[0].local.zones[0].name',
  ],
  [{ stubZones: [{ name: '*.corp.example', servers }] }, 'stubZones[0].name'],
  [{ forwardZones: [{ name: '*.corp.example', servers }] }, 'forwardZones[0].name'],
  [{ resolver: { privateDomains: ['*.corp.example'] } }, 'resolver.privateDomains[0]'],
])('%j: an asterisk before a zone would hold nothing', (options, path) => {
  expect(() => readOptions(options)).toThrow(`${path}: expected a name without "*."`);
});

test.each<[ServerOptions, string]>([
  [{ upstreams: ['192.0.2.1:0'] }, 'upstreams[0]'],
  [{ stubZones: [{ name: 'corp.example', servers: ['192.0.2.1:0'] }] }, 'stubZones[0].servers[0]'],
  [{ forwardZones: [{ name: '.', servers: ['[2001:db8::1]:0'] }] }, 'forwardZones[0].servers[0]'],
])('%j: nobody can be asked at port 0', (options, path) => {
  expect(() => readOptions(options)).toThrow(`${path}: expected`);
});

test.each<[object, string]>([
  [{ control: true }, 'control: expected text or false, got true'],
  [{ metrics: 9154 }, 'metrics: expected text or keys and values, got 9154'],
  [{ upstreams: '1.1.1.1' }, 'upstreams: expected a list or keys and values, got "1.1.1.1"'],
  [{ localZones: 'no' }, 'localZones: expected true or false or keys and values, got "no"'],
  [{ cache: { memory: true } }, 'cache.memory: expected text or a number, got true'],
  // One that is meant is told alone.
  [{ metrics: { listen: 5 } }, 'metrics.listen: expected string, received number, got 5'],
  [{ upstreams: [5] }, 'upstreams[0]: expected string, received number, got 5'],
  [{ control: '' }, 'control: expected the path of a file, got ""'],
])('%j: of several forms each is named, of the one that was meant what is wrong', (options, message) => {
  expect(() => readOptions(options)).toThrow(message);
});

test.each([
  ['tcp://192.0.2.1', "no scheme but tls:// and https://: the zone's option `tcp` asks over TCP"],
  ['ns.corp.example:5353', 'a host name without a port (`resolver.port`), or an address with one'],
])('a zone has no server %s, and says what to do', (server, expected) => {
  const options = { forwardZones: [{ name: 'corp.example', servers: [server] }] };
  expect(() => readOptions(options)).toThrow(`forwardZones[0].servers[0]: expected ${expected}, got "${server}"`);
});

test('options of validation are told to be of no effect where nothing is validated', () => {
  const dnssec = { sha1: true };
  const told = ['dnssec.sha1 has no effect: nothing is validated (dnssec.validate)'];
  expect(contradictions({ upstreams: ['192.0.2.1'], dnssec })).toEqual(told);
  expect(contradictions({ dnssec: { ...dnssec, validate: false } })).toEqual(told);
  expect(contradictions({ dnssec })).toEqual([]);
  const resolver = { rootHints: ['192.0.2.1'] };
  expect(contradictions({ resolver, dnssec: { trustAnchors: [`. DS 1 8 2 ${'AA'.repeat(32)}`] } })).toEqual([]);
  expect(contradictions({ dnssec: { trustAnchors: ['. DS 1 12 2 AA', 'b DS 1 8 2 AA'] } })).toEqual([
    expect.stringMatching(/^nothing at and below \. is validated/),
    expect.stringMatching(/^all at and below b\. is bogus/),
  ]);
  expect(contradictions({ resolver })).toEqual([
    'nothing is validated: names begin at roots of your own, and dnssec.trustAnchors has no keys of theirs',
  ]);
  const forwarder = { upstreams: ['192.0.2.1'], resolver: { maxAliases: 3 } };
  expect(contradictions({ ...forwarder, dnssec: { ...dnssec, validate: true } })).toEqual([]);
});

test('ends of negative trust anchors that cannot be meant are told, and that of the root (RFC 7646 section 2)', () => {
  const at = (seconds: number): string => new Date((NOW + seconds) * 1000).toISOString();
  const told = (one: string | { name: string; until: string }, validate = true): string[] =>
    contradictions({ dnssec: { validate, negativeTrustAnchors: [one] } });
  expect(told('corp.example')).toEqual([]);
  expect(told({ name: 'corp.example', until: at(7 * 86_400) })).toEqual([]);
  expect(told({ name: 'corp.example', until: at(7 * 86_400 + 1) })).toEqual([
    expect.stringMatching(/^dnssec\.negativeTrustAnchors: corp\.example ends 2027-.*a week at the most$/),
  ]);
  expect(told({ name: 'corp.example', until: at(0) })).toEqual([
    expect.stringMatching(/^dnssec\.negativeTrustAnchors: corp\.example has no effect: its end, 2027-.*, has passed$/),
  ]);
  for (const root of ['.', { name: '.', until: at(60) }]) {
    expect(told(root)).toEqual([
      expect.stringMatching(/^dnssec\.negativeTrustAnchors: \., the root, has nothing validated/),
    ]);
  }
  expect(told('.', false)).toEqual([expect.stringMatching(/has no effect: nothing is validated/)]);
});

test('of zones of one name that differ it is told which is used', () => {
  const zones = [
    { name: 'ads.example', kind: 'nxdomain' },
    { name: 'ads.example.', kind: 'nxdomain' },
    { name: 'ADS.example', kind: 'refuse' },
    { name: 'other.example', kind: 'null' },
    { name: 'other.example', kind: 'null' }, // as block lists have them
  ] as const;
  expect(contradictions({ upstreams: servers, local: { zones: [...zones] } })).toEqual([
    'local.zones[0] has no effect: local.zones[2] has the same name, ads.example',
    'local.zones[1] has no effect: local.zones[2] has the same name, ads.example.',
  ]);
  const forwardZones = [
    { name: 'corp.example', servers },
    { name: 'Corp.example.', servers },
  ];
  expect(contradictions({ stubZones: [{ name: 'corp.example', servers }], forwardZones })).toEqual([
    'forwardZones[0] has no effect: stubZones[0] has the same name, corp.example',
    'forwardZones[1] has no effect: stubZones[0] has the same name, Corp.example.',
  ]);
});

test('an upstream that cannot be read is complained of together with what else is wrong', () => {
  const options = { upstreams: ['dns.example', 'quic://192.0.2.1'], udpSize: 1 } as ServerOptions;
  expect(() => readOptions(options)).toThrow(/udpSize: .*upstreams\[1\]: expected .*quic:\/\/ is not supported/s);
});

test('ddr.addresses without an encrypted listener is told to have no effect', () => {
  const ddr = { addresses: ['192.0.2.1'] };
  expect(contradictions({ ddr, upstreams: ['192.0.2.9'] })).toEqual([
    'ddr.addresses has no effect: listen has no tls:// or https:// address',
  ]);
  const tls = { certificate: '/a', key: '/b' };
  expect(contradictions({ listen: ['tls://192.0.2.1'], tls, ddr, upstreams: ['192.0.2.9'] })).toEqual([]);
});

test('upstream.bootstrap without a name among the upstreams is told to have no effect', () => {
  const upstream = { bootstrap: ['192.0.2.1'] };
  const told = ['upstream.bootstrap has no effect: no upstream is given by name'];
  expect(contradictions({ upstreams: ['192.0.2.1'], upstream })).toEqual(told);
  expect(contradictions({ upstreams: { default: ['192.0.2.1'], other: ['dns.example'] }, upstream })).toEqual([]);
});

test('what lays out a cache has no effect on one that the server is given', () => {
  const cache = { memory: '9MiB', policy: 'lru', maxTtlSeconds: 60 } as const;
  const options = { upstreams: ['192.0.2.1'], cache };
  expect(contradictions(options)).toEqual([]);
  expect(contradictions(options, { ownsCache: false })).toEqual([
    'cache.memory has no effect: the server was given a cache, which has its own',
    'cache.policy has no effect: the server was given a cache, which has its own',
  ]);
});
