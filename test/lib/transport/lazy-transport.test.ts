// A transport that is loaded when it is asked.
import { expect, test } from 'vitest';
import { LazyTransport } from '../../../lib/transport/lazy-transport.js';
import type { Transport } from '../../../lib/transport/transport.js';
import { exchange } from '../../support/exchange.js';
import { FakeClock, settle } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerA, makeQuery } from '../../support/messages.js';

const at = { address: '192.0.2.1', port: 853, family: 4 as const };
const query = makeQuery('a.example');
const real = () => new FakeTransport(new FakeClock(), message => answerA(message));

test('it is loaded once, by the first question, and those that wait are asked then', async () => {
  const its = real();
  let loads = 0;
  const lazy = new LazyTransport('TLS', () => Promise.resolve((loads++, its)));
  expect(loads).toBe(0);
  const answers = await Promise.all([exchange(lazy, query, at, {}), exchange(lazy, query, at, {})]);
  expect([answers.length, loads, its.asked.length]).toEqual([2, 1, 2]);
  await exchange(lazy, query, at, {});
  expect([loads, its.asked.length, its.open]).toEqual([1, 3, 0]);
});

test('what is called off while it is loaded is never asked, and later hears nothing', async () => {
  const its = real();
  let loaded: (transport: Transport) => void = () => {};
  const lazy = new LazyTransport('TLS', () => new Promise(resolve => (loaded = resolve)));
  const heard: unknown[] = [];
  const note = (what: unknown): void => void heard.push(what);
  const listener = { answered: note, lost: note, doubted: note };
  lazy.ask(query, at, {}, listener).callOff();
  const late = lazy.ask(query, at, {}, listener);
  loaded(its);
  await Promise.resolve();
  late.callOff();
  await settle();
  expect([heard, its.open]).toEqual([[], 0]);
});

test('where it cannot be loaded the question fails, and the next one tries again', async () => {
  let works = false;
  const lazy = new LazyTransport('HTTPS', () => (works ? Promise.resolve(real()) : Promise.reject(new Error('gone'))));
  await expect(exchange(lazy, query, at, {})).rejects.toMatchObject({ code: 'ERR_SHARDNS_INTERNAL' });
  works = true;
  expect(await exchange(lazy, query, at, {})).toBeInstanceOf(Uint8Array);
});

test('one that is closed asks nobody', async () => {
  const lazy = new LazyTransport('TLS', () => Promise.reject(new Error('it is loaded')));
  lazy.close();
  await expect(exchange(lazy, query, at, {})).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
});

test('what the transport throws when it is asked is told to whoever waited for the load, and to nobody else', async () => {
  const broken = Object.assign(real(), {
    ask() {
      throw new RangeError('no such address');
    },
  });
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const lazy = new LazyTransport('TLS', () => Promise.resolve(broken));
    const lost = await new Promise<Error>(resolve =>
      lazy.ask(query, at, {}, { answered: () => {}, doubted: () => {}, lost: resolve }),
    );
    expect(lost).toMatchObject({ code: 'ERR_SHARDNS_INTERNAL', cause: { message: 'no such address' } });
    expect(lost.message).not.toContain('loaded');
    await settle();
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
