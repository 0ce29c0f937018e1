// Warming: what is asked for, how fast, and what a log is read as.
import { expect, test } from 'vitest';
import { topNames, warm, type WarmProgress } from '../../../lib/resolve/warm.js';
import type { Resolution } from '../../../lib/resolve/resolver.js';
import type { Query } from '../../../lib/wire/query.js';
import { FakeClock, settle } from '../../support/fake-clock.js';

const cached: Resolution = { kind: 'cached', tenant: 0 };

test('asks for A and AAAA, or for the type that a name comes with', async () => {
  const asked: string[] = [];
  const ask = (query: Query): Promise<Resolution> => {
    asked.push(`${query.nameText} ${query.type}`);
    return Promise.resolve(cached);
  };
  const clock = new FakeClock();
  const warming = warm(ask, ['a.example', 'b.example mx', { name: 'c.example', type: 'TXT' }], {}, clock);
  await clock.advance(1000);
  expect(await warming).toEqual({ total: 4, done: 4, failed: 0 });
  expect(asked).toEqual(['a.example. 1', 'a.example. 28', 'b.example. 15', 'c.example. 16']);
});

test('begins no more questions a second than it is told, and no more at a time', async () => {
  const clock = new FakeClock();
  let begun = 0;
  const answers: (() => void)[] = [];
  const ask = (): Promise<Resolution> => {
    begun++;
    return new Promise(resolve => answers.push(() => resolve(cached)));
  };
  const names = Array.from({ length: 100 }, (_, i) => `n${i}.example A`);
  void warm(ask, names, { perSecond: 10, concurrency: 25 }, clock);
  await settle();
  expect(begun).toBe(1);
  await clock.advance(1000);
  expect(begun).toBeLessThanOrEqual(11);
  expect(begun).toBeGreaterThanOrEqual(10);
  await clock.advance(10_000);
  expect(begun).toBe(25);
  for (const answer of answers.splice(0, 5)) answer();
  await clock.advance(2000);
  expect(begun).toBe(30);
});

test('a failure or a name that is none is counted and stops nothing', async () => {
  const clock = new FakeClock();
  const seen: WarmProgress[] = [];
  const ask = (query: Query): Promise<Resolution> =>
    query.nameText === 'bad.example.'
      ? Promise.resolve({ kind: 'error', rcode: 2, extendedError: 0 })
      : query.nameText === 'worse.example.'
        ? Promise.reject(new Error('no'))
        : Promise.resolve(cached);
  const names = ['bad.example A', 'worse.example A', `${'x'.repeat(64)}.example A`, 'good.example A'];
  const warming = warm(ask, names, { onProgress: progress => seen.push(progress) }, clock);
  await clock.advance(1000);
  expect(await warming).toEqual({ total: 4, done: 4, failed: 3 });
  expect(seen).toHaveLength(4);
});

test('aborting ends it', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  let begun = 0;
  const ask = (): Promise<Resolution> => {
    if (++begun === 3) abort.abort();
    return Promise.resolve(cached);
  };
  const names = Array.from({ length: 50 }, (_, i) => `n${i}.example A`);
  const warming = warm(ask, names, { signal: abort.signal }, clock);
  await clock.advance(5000);
  expect((await warming).done).toBe(3);
});

test('wrong options are said', async () => {
  const clock = new FakeClock();
  const run = (names: unknown, options: object): Promise<unknown> =>
    warm(() => Promise.resolve(cached), names as string[], options, clock);
  await expect(run([], { perSecond: 0 })).rejects.toThrow('perSecond: expected 1 to 1000000, got 0');
  await expect(run([], { persecond: 5 })).rejects.toThrow('persecond: is not an option of warm()');
  await expect(run([], { concurrency: 1.5 })).rejects.toThrow('concurrency: expected 1 to 1024');
  await expect(run(['a.example FOO'], {})).rejects.toThrow('type: expected a mnemonic');
  await expect(run([5], {})).rejects.toThrow('names: expected strings');
  await expect(run([null], {})).rejects.toThrow('names: expected strings');
  await expect(run('a.example', {})).rejects.toThrow('names: expected a list of names, got "a.example"');
  await expect(run(undefined, {})).rejects.toThrow('names: expected a list of names');
  await expect(run([], { types: 'MX' })).rejects.toThrow('types: expected an array, got "MX"');
  await expect(run([], { onProgress: 5 })).rejects.toThrow('onProgress: expected a function, got 5');
  await expect(run([], { signal: 5 })).rejects.toThrow('signal: expected an AbortSignal, got 5');
  await expect(run([], null as never)).rejects.toThrow('options: expected an object, got null');
  for (const lines of ['a.example\nb.example', 5, undefined]) {
    await expect(topNames(lines as never, 5)).rejects.toThrow('lines: expected a list or stream of lines');
  }
  await expect(topNames([5] as never, 5)).rejects.toThrow('lines: expected strings, got 5');
});

test('what onProgress throws ends it, and is thrown once, when what was begun has ended', async () => {
  const clock = new FakeClock();
  let begun = 0;
  const answers: (() => void)[] = [];
  const ask = (): Promise<Resolution> => {
    begun++;
    return new Promise(resolve => answers.push(() => resolve(cached)));
  };
  let calls = 0;
  const onProgress = (): void => {
    throw new Error(`call ${++calls}`);
  };
  const warming = warm(ask, ['a.example', 'b.example', 'c.example'], { perSecond: 10, onProgress }, clock);
  const outcome = expect(warming).rejects.toThrow('call 1');
  await clock.advance(150);
  for (const answer of answers) answer(); // an unhandled rejection would end the test
  await clock.advance(1000);
  await outcome;
  expect([begun, calls]).toEqual([2, 1]);
});

test('a log is read for the names it shows most often', async () => {
  const lines = [
    'Nov 21 dnsmasq[7]: query[AAAA] www.example.com from 192.0.2.1',
    'Nov 21 dnsmasq[7]: query[AAAA] WWW.example.com from 192.0.2.2',
    'Nov 21 dnsmasq[7]: reply www.example.com is 2001:db8::1',
    '21-Nov-2026 client @0x7f 192.0.2.1#5353 (a.example): query: a.example IN MX +E(0)K (192.0.2.53)',
    '[1700000000] unbound[1:0] info: 192.0.2.1 www.example.com. AAAA IN',
    '{"name":"json.example","type":"TXT"}',
    '{"qname":"json.example.","qtype":"TXT"}',
    '{"broken',
    'plain.example',
    'two.example AAAA',
    '',
    '-----',
    'x'.repeat(5000),
  ];
  expect(await topNames(lines, 3)).toEqual([
    { name: 'www.example.com', type: 'AAAA' },
    { name: 'json.example', type: 'TXT' },
    { name: 'a.example', type: 'MX' },
  ]);
  expect((await topNames(lines, 100)).map(one => one.name)).toContain('plain.example');
  await expect(topNames([], 0)).rejects.toThrow('count: expected 1 to');
});

test('a log of more different names than are counted costs a pass for every half of them, and keeps the frequent ones', async () => {
  let read = 0;
  const lines = function* (): Generator<string> {
    // All seen twice: none of them is rarer than another.
    for (let i = 0; i < 40_000; i++) {
      for (let j = 0; j < 2; j++) {
        read++;
        yield `n${i}.example`;
      }
      if (i % 10 === 0) yield 'often.example';
    }
  };
  const began = performance.now();
  const names = await topNames(lines(), 5, 2000);
  expect(read).toBe(80_000);
  expect(names[0]).toEqual({ name: 'often.example', type: 'A' });
  expect(names).toHaveLength(5);
  // A pass for each line took minutes.
  expect(performance.now() - began).toBeLessThan(10_000);
});
