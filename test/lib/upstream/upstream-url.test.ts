// Upstreams as they are written in options, files, flags and the environment.
import { expect, test } from 'vitest';
import { readOptions } from '../../../lib/server/settings/settings.js';
import { labelOf } from '../../../lib/upstream/upstream.js';
import { parseUpstream } from '../../../lib/upstream/upstream-url.js';

const v4 = (address: string, port: number) => ({ address, port, family: 4 });
const v6 = (address: string, port: number) => ({ address, port, family: 6 });

test.each([
  ['192.0.2.1', 'udp', v4('192.0.2.1', 53)],
  ['192.0.2.1:5353', 'udp', v4('192.0.2.1', 5353)],
  ['2001:db8::1', 'udp', v6('2001:db8::1', 53)],
  ['[2001:db8::1]', 'udp', v6('2001:db8::1', 53)],
  ['fe80::1%eth0', 'udp', v6('fe80::1%eth0', 53)],
  ['udp://1.1.1.1', 'udp', v4('1.1.1.1', 53)],
  ['udp://[2001:db8::1]:5353', 'udp', v6('2001:db8::1', 5353)],
  ['tcp://9.9.9.9:53', 'tcp', v4('9.9.9.9', 53)],
  ['TCP://[::1]', 'tcp', v6('::1', 53)],
  ['udp://[fe80::1%25eth0]:53', 'udp', v6('fe80::1%eth0', 53)],
])('%s is an address, asked over %s', (text, scheme, at) => {
  expect(parseUpstream(text, '')).toMatchObject({ scheme, at, name: undefined });
});

test.each([
  ['resolver.example', 'udp', 'resolver.example', 53],
  ['Resolver.Example.:5353', 'udp', 'resolver.example', 5353],
  ['udp://dns', 'udp', 'dns', 53],
  ['tcp://dns_1.example:54', 'tcp', 'dns_1.example', 54],
])('%s is a name, asked over %s', (text, scheme, name, port) => {
  expect(parseUpstream(text, '')).toEqual({ scheme, name, port, at: undefined });
});

test.each([
  ['dot://9.9.9.9', 'tls:// for DNS over TLS'],
  ['doh://dns.example/dns-query', 'https:// for DNS over HTTPS'],
  ['quic://dns.example', 'udp://, tcp://, tls:// or https://: quic:// is not supported by this version'],
  ['ftp://9.9.9.9', 'udp://, tcp://, tls:// or https://, or no scheme'],
  ['constructor://9.9.9.9', 'udp://, tcp://, tls:// or https://, or no scheme'],
  ['udp://user@9.9.9.9', 'no user or password'],
  ['udp://user:secret@9.9.9.9', 'no user or password'],
  ['udp://9.9.9.9/', 'nothing behind the address'],
  ['udp://9.9.9.9/path', 'nothing behind the address'],
  ['9.9.9.9#53', 'nothing behind the address'],
  ['tcp://9.9.9.9?x=1', 'nothing behind the address'],
  ['9.9.9.9:0', 'a port from 1 to 65535'],
  ['udp://9.9.9.9:65536', 'a port from 1 to 65535'],
  ['udp://9.9.9.9:', 'a port from 1 to 65535'],
  ['udp://9.9.9.9:+53', 'a port from 1 to 65535'],
  ['udp://2001:db8::1', 'brackets around the address: udp://[2001:db8::1]'],
  ['[192.0.2.1]:53', 'an IPv6 address in the brackets'],
  ['[2001:db8::1', 'ADDRESS, ADDRESS:PORT'],
  ['', 'ADDRESS, ADDRESS:PORT'],
  ['udp://', 'ADDRESS, ADDRESS:PORT'],
  ['192.0.2.256', 'a numeric address or a host name'],
  ['1.2.3', 'a numeric address or a host name'],
  ['-a.example', 'a numeric address or a host name'],
  ['a..example', 'a numeric address or a host name'],
  ['a b.example', 'a numeric address or a host name'],
  [`${'a'.repeat(64)}.example`, 'a numeric address or a host name'],
  ['tls://9.9.9.9#', 'the name that its certificate is for'],
  ['tls://9.9.9.9#a b', 'the name that its certificate is for'],
  ['tls://9.9.9.9?pin=1', 'pin-sha256='],
  ['tls://9.9.9.9?', 'pin-sha256='],
  ['tls://9.9.9.9?pin-sha256=AAAA', '44 characters of base64'],
  ['tls://9.9.9.9/#dns.example', 'nothing behind the address'],
  ['tls://dns.example@9.9.9.9', 'no user or password'],
  ['tls://2001:db8::1#dns.example', 'brackets around the address: tls://[2001:db8::1]'],
  ['https://dns.example/a b', 'a path of at most 1024 characters'],
  ['https://dns.example/%zz', 'a path of at most 1024 characters'],
  [`https://dns.example/${'a'.repeat(1024)}`, 'a path of at most 1024 characters'],
  ['https://dns.example/dns-query?token=1', 'pin-sha256='],
  ['https://user@dns.example/dns-query', 'no user or password'],
  ['https:///dns-query', 'ADDRESS, ADDRESS:PORT'],
  ['nowhere', 'a host name with a dot in it or as udp://nowhere'],
])('%s is refused, with the value: %s', (text, expected) => {
  const act = () => readOptions({ upstreams: ['192.0.2.1', text] });
  expect(act).toThrow(expected);
  expect(act).toThrow(/^upstreams\[1\]: expected .*, got "/);
});

const PIN = `${'A'.repeat(43)}=`;
test.each([
  ['tls://9.9.9.9', '9.9.9.9', 853, '9.9.9.9', []],
  ['TLS://1.1.1.1:8853#Cloudflare-DNS.com.', '1.1.1.1', 8853, 'cloudflare-dns.com', []],
  ['tls://[2001:db8::1]#dns.example', '2001:db8::1', 853, 'dns.example', []],
  [`tls://192.0.2.1?pin-sha256=${PIN}`, '192.0.2.1', 853, undefined, [PIN]],
  [`tls://192.0.2.1:54?pin-sha256=${PIN}&pin-sha256=${PIN}#dns.example`, '192.0.2.1', 54, 'dns.example', [PIN, PIN]],
])('%s is an address, asked over TLS, which has to prove who it is', (text, address, port, name, pins) => {
  const { scheme, at } = parseUpstream(text, '');
  expect([scheme, at]).toMatchObject(['tls', { address, port, tls: { name, pins } }]);
  expect(parseUpstream(labelOf(at!, scheme), '').at).toEqual(at);
});

test('a name that is asked over TLS has to prove that it is that name, or the one that is said', () => {
  expect(parseUpstream('tls://dns.example', '')).toMatchObject({
    name: 'dns.example',
    port: 853,
    tls: { name: 'dns.example' },
  });
  expect(parseUpstream('tls://a.example#b.example', '')).toMatchObject({
    name: 'a.example',
    tls: { name: 'b.example' },
  });
  expect(parseUpstream(`tls://a.example?pin-sha256=${PIN}`, '').tls).toEqual({ name: undefined, pins: [PIN] });
});

test.each([
  ['https://9.9.9.9/dns-query#dns.quad9.net', '9.9.9.9', 443, '/dns-query', 'dns.quad9.net', []],
  ['https://[2001:db8::1]:8443/a/b%20c', '2001:db8::1', 8443, '/a/b%20c', '2001:db8::1', []],
  ['HTTPS://192.0.2.1/dns-query{?dns}', '192.0.2.1', 443, '/dns-query', '192.0.2.1', []],
  ['https://192.0.2.1', '192.0.2.1', 443, '/dns-query', '192.0.2.1', []],
  ['https://192.0.2.1/', '192.0.2.1', 443, '/', '192.0.2.1', []],
  [`https://192.0.2.1/q?pin-sha256=${PIN}`, '192.0.2.1', 443, '/q', undefined, [PIN]],
])('%s is an address, asked over HTTPS at its path', (text, address, port, path, name, pins) => {
  const { scheme, at } = parseUpstream(text, '');
  expect([scheme, at]).toMatchObject(['https', { address, port, path, tls: { name, pins } }]);
  expect(parseUpstream(labelOf(at!, scheme), '').at).toEqual(at);
});

test('a name that is asked over HTTPS has a path, and proves that it is that name', () => {
  expect(parseUpstream('https://dns.example/dns-query', '')).toMatchObject({
    name: 'dns.example',
    port: 443,
    path: '/dns-query',
    at: undefined,
    tls: { name: 'dns.example' },
  });
});

test('a name needs somebody to look it up at: an upstream with an address, or upstream.bootstrap', () => {
  const missing = 'upstreams[0]: expected upstream.bootstrap, or an upstream given as an address';
  expect(() => readOptions({ upstreams: ['dns.example'] })).toThrow(missing);
  expect(() => readOptions({ upstreams: { default: ['192.0.2.1'], other: ['dns.example'] } })).not.toThrow();
  expect(() => readOptions({ upstreams: ['dns.example'], upstream: { bootstrap: ['192.0.2.1'] } })).not.toThrow();
  expect(() => readOptions({ upstreams: ['dns.example'], upstream: { bootstrap: ['dns.example'] } })).toThrow(
    /^upstream\.bootstrap\[0\]: expected .*got "dns.example"/,
  );
});
