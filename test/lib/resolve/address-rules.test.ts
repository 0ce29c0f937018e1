// Which addresses are asked, and which are shown, however they are written.
import { describe, expect, test } from 'vitest';
import { addressOctets, formatAddress, parsePrefix } from '../../../lib/base/address.js';
import { AddressRules, messageWithoutPrivate } from '../../../lib/resolve/recurse/address-rules.js';
import { ResolutionError } from '../../../lib/resolve/recurse/job.js';
import { Dns64, parseTranslationPrefix } from '../../../lib/resolve/dns64.js';
import { Type } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { response } from '../../support/fake-internet.js';

const prefixes = (...texts: string[]) => texts.map(text => parsePrefix(text, 'test'));

describe('servers', () => {
  const open = new AddressRules([], [], []);
  test.each([
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.251',
    '239.255.255.255',
    '255.255.255.255',
    '::',
    '::ffff:0.0.0.0',
    '64:ff9b::0.0.0.1',
    '2002:e000:1::1',
    'ff02::1',
    'fe80::1',
  ])('are never asked at %s, which is nobody’s address', address => {
    expect(open.forbidden(address)).toBe(true);
  });
  test.each(['127.0.0.1', '::1', '10.0.0.1', '192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1'])(
    'may be asked at %s where no rule forbids it',
    address => {
      expect(open.forbidden(address)).toBe(false);
    },
  );
  test.each(['127.0.0.1', '::ffff:127.0.0.1', '::127.8.8.8', '64:ff9b::127.0.0.1', '2002:7f00:1::', '::1'])(
    'are not asked at %s where this machine is not to be asked',
    address => {
      const rules = new AddressRules(prefixes('127.0.0.0/8', '::1'), [], []);
      expect(rules.forbidden(address)).toBe(true);
      expect(rules.forbidden(address)).toBe(true); // remembered
    },
  );
});

describe('addresses behind the prefix of a translator of one’s own (RFC 6052 section 2.2)', () => {
  test.each([
    ['2001:db8::/32', '2001:db8:c0a8:101::'],
    ['2001:db8:100::/40', '2001:db8:1c0:a801:1::'],
    ['2001:db8:122::/48', '2001:db8:122:c0a8:1:100::'],
    ['2001:db8:122:300::/56', '2001:db8:122:3c0:a8:101::'],
    ['2001:db8:122:344::/64', '2001:db8:122:344:c0:a801:100:0'],
    ['2001:db8:64::/96', '2001:db8:64::c0a8:101'],
    // Its own length counts, not that of the other translators there (RFC 8215).
    ['64:ff9b:1::/48', '64:ff9b:1:c0a8:1:100::'],
    // What a translator ignores hides nothing.
    ['2001:db8:122::/48', '2001:db8:122:c0a8:ff01:1ff:ffff:ffff'],
  ])('are those inside: %s', (prefix, address) => {
    const ofMine = prefixes('192.168.0.0/16');
    const translator = parseTranslationPrefix(prefix, 'test');
    const isHidden = (text: string, rules: AddressRules): boolean => {
      const rrset = { name: encodeName('a.example'), type: Type.AAAA, ttl: 60, signatures: [] };
      return rules.visible({ ...rrset, data: [addressOctets(text)] }).data.length === 0;
    };
    const rules = new AddressRules(ofMine, ofMine, [], { translator });
    expect(isHidden(address, rules)).toBe(true);
    expect(rules.forbidden(address)).toBe(true);
    expect(isHidden(address, new AddressRules([], ofMine, []))).toBe(false);
    const outside = new Dns64({ prefix: translator, exclude: [], fromTag: 0 }).translated(
      Uint8Array.of(192, 0, 2, 33),
    )!;
    expect(isHidden(formatAddress(outside), rules)).toBe(false);
    expect(isHidden('64:ff9b::c0a8:101', rules)).toBe(true);
  });
});

describe('private addresses in answers', () => {
  const rules = (refuses = false) =>
    new AddressRules([], prefixes('10.0.0.0/8', '127.0.0.0/8', '::1', 'fd00::/8'), [encodeName('corp.example')], {
      refuses,
    });
  const shown = (type: number, ...addresses: string[]): number =>
    rules().visibleOnly([
      { name: encodeName('a.example'), type, ttl: 60, data: addresses.map(addressOctets), signatures: [] },
    ]).length;

  test.each(['10.1.2.3', '127.0.0.1', '0.0.0.0'])('%s is hidden', address => {
    expect(shown(Type.A, address)).toBe(0);
  });
  test.each(['::ffff:10.1.2.3', '::10.1.2.3', '64:ff9b::a01:203', '2002:a01:203::1', 'fd00::1', '::1', '::'])(
    '%s is hidden',
    address => {
      expect(shown(Type.AAAA, address)).toBe(0);
    },
  );
  test('a message without any stays as it came', () => {
    const octets = response('a.example', Type.A, { answer: 'a.example. A 192.0.2.1\nb.example. A 192.0.2.2' });
    expect(messageWithoutPrivate(octets, rules())).toBe(octets);
  });
  test('a message loses them, the signatures over what has changed, hints of services, and AD', () => {
    const octets = response('a.example', Type.A, {
      answer: `a.example. CNAME b.example.
        b.example. A 192.0.2.1
        b.example. A 10.0.0.1
        b.example. RRSIG A 13 2 300 20500101000000 20200101000000 1 example. AAAA
        c.corp.example. A 10.0.0.2
        b.example. HTTPS 1 . ipv4hint=10.0.0.3
        b.example. HTTPS 2 . ipv6hint=::ffff:10.0.0.4
        b.example. HTTPS 3 . ipv4hint=192.0.2.3`,
      additional: 'd.example. AAAA 64:ff9b::10.0.0.5\nd.example. A 192.0.2.4',
    });
    octets[3] |= 0x20;
    const message = decodeMessage(messageWithoutPrivate(octets, rules())!);
    const kinds = (records: typeof message.answers): number[] => records.map(one => one.type);
    expect(kinds(message.answers)).toEqual([Type.CNAME, Type.A, Type.A, Type.HTTPS]);
    expect([...message.answers[1].data]).toEqual([192, 0, 2, 1]);
    expect(kinds(message.additionals)).toEqual([Type.A]);
    expect(message.flags & 0x20).toBe(0);
  });
  test('or is refused, where it is not to be stripped of them', () => {
    const octets = response('a.example', Type.A, { answer: 'a.example. A 10.0.0.1' });
    expect(() => messageWithoutPrivate(octets, rules(true))).toThrow(ResolutionError);
  });
});
