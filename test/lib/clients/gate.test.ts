// The compiled gate against tables of prefixes, however addresses are written.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AddressPrefix, formatAddress, isMapped, maskedOctets, parsePrefix } from '../../../lib/base/address.js';
import { PrefixTable } from '../../../lib/base/prefix-table.js';
import { systemRandom } from '../../../lib/base/random.js';
import { Gate, MAX_GATE_PREFIXES } from '../../../lib/clients/gate.js';
import { viewPrefixes } from '../../../lib/clients/views.js';
import { REFUSED, UNKNOWN_TENANT } from '../../../lib/native/binding.js';

const prefixes = (...texts: string[]): AddressPrefix[] => texts.map(text => parsePrefix(text, 'allow'));
const gateOf = (rules: Partial<Parameters<Gate['replace']>[0]>): Gate => {
  const gate = new Gate(systemRandom);
  gate.replace({ allow: [], views: [], clients: 0, ...rules });
  return gate;
};

test('without rules everybody may ask, under the tag 0', () => {
  const gate = gateOf({});
  expect([gate.judge('192.0.2.1'), gate.judge('2001:db8::1')]).toEqual([0, 0]);
});

test('each family is judged by itself, a scope says nothing, and a mapped IPv4 address is what it holds', () => {
  const gate = gateOf({
    allow: prefixes('10.0.0.0/8', 'fe80::/10', '2001:db8::/32'),
    views: viewPrefixes([{ clients: ['10.1.0.0/16', 'fe80::1'] }, { clients: ['10.1.2.3', '2001:db8:8000::/33'] }]),
  });
  for (const [address, judged] of [
    ['10.0.0.1', 0],
    ['10.1.0.1', 1],
    ['10.1.2.3', 2],
    ['11.1.2.3', REFUSED],
    ['::ffff:10.1.0.1', 1],
    ['::ffff:a01:203', 2],
    ['::ffff:11.0.0.1', REFUSED],
    ['64:ff9b::a01:203', REFUSED], // NAT64: whom it leads to is not who asks
    ['fe80::1%eth0', 1],
    ['fe80::2%eth0', 0],
    ['2001:db8::1', 0],
    ['2001:db8:8000::1', 2],
    ['2001:db9::1', REFUSED],
    ['::1', REFUSED],
  ] as const) {
    expect([address, gate.judge(address)]).toEqual([address, judged]);
  }
});

test('it agrees with one table for access and one for views', () => {
  const octet = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  const address = fc.oneof(
    fc.array(octet, { minLength: 4, maxLength: 4 }),
    fc.array(octet, { minLength: 16, maxLength: 16 }),
  );
  const prefix = fc.tuple(address, fc.nat(128)).map(([octets, bits]): AddressPrefix => {
    const length = Math.min(bits, octets.length * 8);
    return {
      family: octets.length === 4 ? 4 : 6,
      bits: length,
      octets: maskedOctets(Uint8Array.from(octets), length),
    };
  });
  fc.assert(
    fc.property(
      fc.array(prefix, { maxLength: 12 }),
      fc.array(fc.tuple(prefix, fc.integer({ min: 1, max: 65_535 })), { maxLength: 12 }),
      fc.array(address, { minLength: 20, maxLength: 20 }),
      (allow, views, clients) => {
        const gate = gateOf({ allow, views });
        const access = new PrefixTable(allow.map(one => [one, true] as const));
        const tags = new PrefixTable(views);
        for (const octets of clients.map(one => Uint8Array.from(one))) {
          if (isMapped(octets)) continue;
          const text = formatAddress(octets);
          const allowed = allow.length === 0 || access.find(text) === true;
          expect(gate.judge(text)).toBe(allowed ? (tags.find(text) ?? 0) : REFUSED);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('clients whose tenants are remembered are known in both forms of their address, and forgotten together', () => {
  const gate = gateOf({ clients: 16 });
  expect(gate.judge('192.0.2.1')).toBe(UNKNOWN_TENANT);
  gate.remember('192.0.2.1', 0xffff_fffe, 60);
  expect([gate.judge('192.0.2.1'), gate.judge('::ffff:192.0.2.1')]).toEqual([0xffff_fffe, 0xffff_fffe]);
  gate.native.shiftClock(60_000);
  expect(gate.judge('192.0.2.1')).toBe(UNKNOWN_TENANT);
  gate.remember('192.0.2.2', 0, 60);
  expect([gate.judge('192.0.2.2'), gate.native.clients()]).toEqual([0, 2]);
  gate.forgetClients();
  expect([gate.judge('192.0.2.2'), gate.native.clients()]).toEqual([UNKNOWN_TENANT, 0]);
});

test('a list of 65,536 prefixes takes what is stated, and gives it back; more than the bound is refused whole', () => {
  const many = Array.from({ length: 65_536 }, (_, i): AddressPrefix => {
    const octets = Uint8Array.of(i >> 8, i & 255, (i * 7) & 255, (i * 13) & 254);
    return { family: 4, bits: 32, octets };
  });
  const gate = gateOf({ allow: many });
  expect(gate.native.memoryBytes()).toBeLessThan(65_536 * 17 + 1024);
  expect([gate.judge(formatAddress(many[777].octets)), gate.judge('192.0.2.255')]).toEqual([0, REFUSED]);
  const [one] = many;
  expect(() => gate.replace({ allow: new Array(MAX_GATE_PREFIXES).fill(one), views: [[one, 1]], clients: 0 })).toThrow(
    /^allow, views: expected at most 1048576 prefixes in all, got 1048577$/,
  );
  expect(gate.judge('192.0.2.255')).toBe(REFUSED);
  gate.close();
  expect(gate.native.memoryBytes()).toBe(0);
});
