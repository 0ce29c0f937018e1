// Whom a server asks that is told nobody: what resolv.conf says, without itself, now and later.
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { gatherOptions } from '../../../lib/cli/serve.js';
import { SystemServers } from '../../../lib/cli/system-servers.js';
import { parseResolvConf } from '../../../lib/upstream/resolv-conf.js';
import { FakeClock } from '../../support/fake-clock.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-system-'));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;
function system(text?: string) {
  const path = join(folder, `resolv-${made++}.conf`);
  let age = 1000;
  const write = (next: string): void => {
    writeFileSync(path, next);
    utimesSync(path, age, age++);
  };
  if (text !== undefined) write(text);
  const clock = new FakeClock();
  const interfaces = () => ({ eth0: [{ address: '192.0.2.7' } as NetworkInterfaceInfo] });
  return { write, clock, servers: new SystemServers(path, clock, () => {}, interfaces) };
}

test('servers are those named, with their scope; where none is, this machine (resolv.conf(5))', () => {
  expect(
    parseResolvConf('# c\nnameserver 192.0.2.1\nnameserver 2001:db8::1 # x\nsearch a b\nnameserver fe80::1%eth0\n')
      .servers,
  ).toEqual(['192.0.2.1:53', '[2001:db8::1]:53', '[fe80::1%eth0]:53']);
  for (const text of ['', 'search example\n', 'nameserver\n', 'nameserver nonsense\n']) {
    expect(parseResolvConf(text).servers).toEqual(['127.0.0.1:53']);
  }
  expect(system().servers.read(['127.0.0.1:5300']).servers).toEqual(['127.0.0.1:53']);
});

test('this server itself is left out, however it is reached', () => {
  const text = 'nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.7\nnameserver 192.0.2.1\n';
  const read = (listen: string[]) => system(text).servers.read(listen);
  expect(read(['127.0.0.1:53', '[::1]:53'])).toEqual({
    unread: [],
    servers: ['192.0.2.7:53', '192.0.2.1:53'],
    own: ['127.0.0.1:53', '[::1]:53'],
  });
  expect(read(['0.0.0.0:53']).servers).toEqual(['[::1]:53', '192.0.2.1:53']);
  expect(read(['0.0.0.0:5300']).own).toEqual([]);
});

test('a change of the file is told once, and whatever leaves the servers as they are is not', async () => {
  const { servers, write, clock } = system('nameserver 192.0.2.1\nnameserver 192.0.2.3\n');
  const told: string[][] = [];
  servers.follow(
    servers.read([]).servers,
    () => ['127.0.0.1:53'],
    now => told.push(now),
  );
  await clock.advance(5000);
  write('# another order\nnameserver 192.0.2.3\nnameserver 192.0.2.1\n');
  await clock.advance(5000);
  expect(told).toEqual([]);
  write('nameserver 192.0.2.2\nnameserver 127.0.0.1\n');
  await clock.advance(2000);
  write('');
  await clock.advance(2000);
  expect(told).toEqual([['192.0.2.2:53'], []]);
  servers.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('what it names that is no address is told, also where nothing else is named', () => {
  const { servers } = system('nameserver 192.0.2.1:5353\nnameserver foo\nnameserver [::1]\nnameserver\n');
  expect(servers.read(['192.0.2.7:53'])).toEqual({
    servers: ['127.0.0.1:53'],
    own: [],
    unread: ['192.0.2.1:5353', 'foo', '[::1]'],
  });
});

test('resolv.conf is followed where nobody names upstreams and recursion is not asked for', () => {
  const { servers } = system('nameserver 192.0.2.1\n');
  expect(gatherOptions({}, {}, servers)).toMatchObject({ options: { upstreams: ['192.0.2.1:53'] }, follows: true });
  expect(gatherOptions({ upstream: ['192.0.2.9'] }, {}, servers)).toMatchObject({ follows: false });
  const recursive = gatherOptions({ recursive: true }, {}, servers);
  expect(recursive.follows).toBe(false);
  expect(recursive.options.upstreams).toBeUndefined();
});
