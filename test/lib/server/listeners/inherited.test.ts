// Which sockets are taken of those that are handed over, and which are refused because nobody would read them.
import { expect, test } from 'vitest';
import type { HandedSocket } from '../../../../lib/native/binding.js';
import { parseEndpoint } from '../../../../lib/server/listeners/endpoint.js';
import { type InheritedSockets, takeInherited } from '../../../../lib/server/listeners/inherited.js';

const udp = (address: string, port = 53): HandedSocket => ({ address, port, datagrams: true, bothFamilies: false });
const tcp = (address: string, port = 53): HandedSocket => ({ ...udp(address, port), datagrams: false });

function taken(sockets: (HandedSocket | undefined)[], names?: string): InheritedSockets {
  const environment: NodeJS.ProcessEnv = { LISTEN_PID: '7', LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: names };
  const all = takeInherited(environment, 7, fd => sockets[fd - 3]);
  expect(environment).toEqual({});
  return all;
}
const check = (sockets: InheritedSockets, listen: string[], by = { plane: true, tcp: true }): void =>
  sockets.checkUsed(
    listen.map(text => parseEndpoint(text, 'listen')),
    by,
  );

test('sockets are found by address, however it is written, and by what goes over them', () => {
  const all = taken([udp('127.0.0.1'), udp('127.0.0.1'), tcp('127.0.0.1'), udp('2001:db8::1'), udp('fe80::1%eth0')]);
  const at = (over: 'udp' | 'tcp', text: string): number[] => all.at(over, parseEndpoint(text, ''));
  expect(at('udp', '127.0.0.1:53')).toEqual([3, 4]);
  expect(at('tcp', '127.0.0.1:53')).toEqual([5]);
  expect(at('udp', '[2001:0DB8:0::1]:53')).toEqual([6]);
  expect(at('udp', '[fe80::1%eth0]:53')).toEqual([7]);
  expect(at('udp', '[fe80::1]:53')).toEqual([]);
  expect(at('udp', '127.0.0.1:54')).toEqual([]);
});

test('they say where to listen: those that are called so over TLS and HTTPS', () => {
  const all = taken(
    [udp('::1'), tcp('::1'), tcp('::1', 853), tcp('::1', 443), tcp('::1', 54)],
    'dns:dns:tls:https:tls2',
  );
  expect(all.listen).toEqual(['[::1]:53', 'tls://[::1]:853', 'https://[::1]:443', '[::1]:54']);
});

test('what is meant for another process is left to it', () => {
  for (const environment of [
    { LISTEN_PID: '8', LISTEN_FDS: '2' },
    { LISTEN_FDS: '2' },
    { LISTEN_PID: '7' },
    { LISTEN_PID: '', LISTEN_FDS: '2' },
  ]) {
    const before = { ...environment };
    const all = takeInherited(environment, 7, () => expect.unreachable());
    expect(all.size).toBe(0);
    expect(environment).toEqual(before);
  }
});

test('a socket that is of no use is refused with its number, its name and the reason', () => {
  const refused = (sockets: (HandedSocket | undefined)[], names?: string) => expect(() => taken(sockets, names));
  refused([udp('::1'), undefined], 'dns:control').toThrow(
    'a socket was handed over that cannot be used (descriptor 4, "control"): it is no UDP socket that is bound, and no TCP socket that listens',
  );
  refused([{ ...udp('::'), bothFamilies: true }]).toThrow(
    '(descriptor 3): [::]:53 takes IPv4 too: BindIPv6Only=ipv6-only',
  );
  refused([tcp('::1'), tcp('0:0::1')]).toThrow('there is another one for TCP at [0:0::1]:53, and one is read');
  for (const count of ['-1', 'x', '1025', '']) {
    expect(() => takeInherited({ LISTEN_PID: '7', LISTEN_FDS: count }, 7, () => udp('::1'))).toThrow(
      'LISTEN_FDS: expected 0 to 1024 sockets, got',
    );
  }
});

test('a socket that no address of listen is for is refused', () => {
  const both = taken([udp('127.0.0.1'), tcp('127.0.0.1')]);
  check(both, ['127.0.0.1:53']);
  check(both, ['[::1]:53', 'udp+tcp://127.0.0.1:53']);
  expect(() => check(both, ['127.0.0.1:5300'])).toThrow('nothing of `listen` is for UDP at 127.0.0.1:53');
  expect(() => check(both, ['tls://127.0.0.1:53'])).toThrow('nothing of `listen` is for UDP at 127.0.0.1:53');
  expect(() => check(both, ['127.0.0.1:53'], { plane: true, tcp: false })).toThrow('is for TCP at 127.0.0.1:53');
  check(taken([tcp('::1', 853)]), ['tls://[::1]']);
});

test("without the native plane one socket of one address is read, as Node's can", () => {
  const by = { plane: false, tcp: true };
  check(taken([udp('127.0.0.1')]), ['127.0.0.1:53'], by);
  const several = taken([udp('127.0.0.1'), udp('127.0.0.1')]);
  check(several, ['127.0.0.1:53']);
  expect(() => check(several, ['127.0.0.1:53'], by)).toThrow('one socket of an address is read');
  expect(() => check(taken([udp('0.0.0.0')]), ['0.0.0.0:53'], by)).toThrow('a socket of all addresses is of no use');
});
