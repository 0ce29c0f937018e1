// What a service manager is told, and when.
import { expect, test } from 'vitest';
import { SelfQuery } from '../../../lib/cli/self-query.js';
import { ServiceManager } from '../../../lib/cli/service-manager.js';
import type { SocketAddress } from '../../../lib/base/address.js';
import { FakeClock, settle } from '../../support/fake-clock.js';

function managed(environment: NodeJS.ProcessEnv) {
  const clock = new FakeClock();
  const told: string[] = [];
  let us = 7_000_000n;
  const send = (path: string, text: string): number => {
    told.push(`${path} ${text.replaceAll('\n', ' ')}`);
    return 0;
  };
  const manager = new ServiceManager(environment, { clock, pid: 42, send, monotonicUs: () => us++ });
  const watched = { isWell: true, looks: 0 };
  const ready = (): void =>
    manager.ready({
      status: () => 'answering\nREADY=0',
      isWell: () => {
        watched.looks++;
        return Promise.resolve(watched.isWell);
      },
    });
  return { clock, told, manager, watched, ready };
}

test('it is told of readiness, of each ten seconds, of a reload and of the end', async () => {
  const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET: '@notify', OTHER: 'stays' };
  const { clock, told, manager, ready } = managed(environment);
  expect(environment).toEqual({ OTHER: 'stays' });
  ready();
  // One line, whatever the status has: another one would be an assignment.
  expect(told.splice(0)).toEqual(['@notify READY=1 STATUS=answering READY=0']);
  await clock.advance(25_000);
  expect(told.splice(0)).toEqual(Array(2).fill('@notify STATUS=answering READY=0'));
  const refused = manager.reloading(() => Promise.reject(new Error('a wrong option')));
  await expect(refused).rejects.toThrow('a wrong option');
  expect(told.splice(0)).toEqual([
    '@notify RELOADING=1 MONOTONIC_USEC=7000000 STATUS=reading its options anew',
    '@notify READY=1 STATUS=answering READY=0',
  ]);
  manager.stopping();
  expect(told.splice(0)).toEqual(['@notify STOPPING=1 STATUS=answering what is under way']);
  await clock.advance(60_000);
  expect(told).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

test('a reload that ends after the end began tells nothing more', async () => {
  const { told, manager, ready } = managed({ NOTIFY_SOCKET: '/run/notify' });
  ready();
  told.length = 0;
  await manager.reloading(async () => manager.stopping());
  expect(told.map(one => one.split(' ')[1])).toEqual(['RELOADING=1', 'STOPPING=1']);
});

test('the watchdog gets a sign of life at half of its time, as long as the server is well', async () => {
  const { clock, told, watched, ready } = managed({
    NOTIFY_SOCKET: '/n',
    WATCHDOG_USEC: '8000000',
    WATCHDOG_PID: '42',
  });
  const signs = (): number => told.splice(0).filter(one => one === '/n WATCHDOG=1').length;
  ready();
  await clock.advance(0);
  expect(signs()).toBe(1);
  await clock.advance(3999);
  expect(signs()).toBe(0);
  await clock.advance(1);
  expect(signs()).toBe(1);
  watched.isWell = false;
  const { looks } = watched;
  await clock.advance(8000);
  expect(signs()).toBe(0);
  expect(watched.looks - looks).toBe(5);
  watched.isWell = true;
  await clock.advance(1000);
  expect(signs()).toBe(1);
});

test('a watchdog of another process, and a manager that is none, are told nothing', async () => {
  for (const environment of [
    { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '8000000', WATCHDOG_PID: '41' },
    { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: 'soon' },
    { NOTIFY_SOCKET: 'vsock:2:1234', WATCHDOG_USEC: '8000000' },
    { WATCHDOG_USEC: '8000000' },
  ]) {
    const isManager = environment.NOTIFY_SOCKET === '/n';
    const { clock, told, ready } = managed(environment);
    ready();
    await clock.advance(60_000);
    expect(told.filter(one => one.includes('WATCHDOG'))).toEqual([]);
    expect(told.length > 0).toBe(isManager);
  }
});

function asked(answers: (at: SocketAddress) => boolean, addresses = ['0.0.0.0:53', '[::]:53', '192.0.2.1:5353']) {
  const places: string[] = [];
  const counted = { replies: 0 };
  const self = new SelfQuery({
    clock: new FakeClock(),
    random: { uint32: () => 0x1234 },
    addresses: () => addresses,
    replies: () => counted.replies,
    ask: async (at, query, withinMs) => {
      places.push(`${at.address} ${at.port}`);
      expect(Buffer.from(query).toString('hex')).toBe('1234000000010000000000000269640673657276657200' + '00100003');
      expect(withinMs).toBe(500);
      return answers(at);
    },
  });
  return { self, places, counted };
}

test('a server is asked at the addresses of the machine itself, and one that answers is enough', async () => {
  const { self, places } = asked(at => at.family === 6);
  expect(await self.isWell(500)).toBe(true);
  expect(places).toEqual(['127.0.0.1 53', '::1 53', '192.0.2.1 5353']);
});

test('a server that answers others is not asked, and one that answers nobody any more is not well', async () => {
  let answers = true;
  const { self, places, counted } = asked(() => answers, ['127.0.0.1:53']);
  expect(await self.isWell(500)).toBe(true);
  answers = false;
  counted.replies += 3;
  expect(await self.isWell(500)).toBe(true);
  expect(places).toHaveLength(1);
  expect(await self.isWell(500)).toBe(false);
  expect(await self.isWell(500)).toBe(false);
  answers = true;
  expect(await self.isWell(500)).toBe(true);
});

test('a server whose rules give its own address nothing is well, until other rules may hold', async () => {
  let answers = false;
  const { self, places } = asked(() => answers, ['127.0.0.1:53']);
  for (let i = 0; i < 3; i++) expect(await self.isWell(500)).toBe(true);
  expect(places).toHaveLength(1);
  self.forget();
  answers = true;
  expect(await self.isWell(500)).toBe(true);
  answers = false;
  expect(await self.isWell(500)).toBe(false);
  await settle();
});

test('a server without UDP is well', async () => {
  const { self } = asked(() => true, []);
  expect(await self.isWell(500)).toBe(true);
  expect(await self.isWell(500)).toBe(true);
});
