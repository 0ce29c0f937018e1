// Questions of a program: asked once, in turn, and told when their turn does not come.
import { expect, test } from 'vitest';
import { Questions } from '../../../lib/node/questions.js';
import { FakeClock, settle } from '../../support/fake-clock.js';

/** Questions whose answers a test gives. */
function make(most: number, mostWaiting: number) {
  const clock = new FakeClock();
  const questions = new Questions<string>(clock, most, mostWaiting);
  const asked = new Map<string, { resolve(value: string): void; reject(error: Error): void }>();
  const ask = (key: string): Promise<string> =>
    questions.find(key) ??
    questions.ask(key, 1000, () => new Promise((resolve, reject) => asked.set(key, { resolve, reject })));
  const codeOf = (question: Promise<string>): Promise<string> =>
    question.catch((error: { code: string }) => error.code);
  return { clock, questions, asked, ask, codeOf };
}

test('a question under way is not asked again, and is asked again when it is over', async () => {
  const { asked, ask, questions } = make(10, 10);
  const both = [ask('a'), ask('a')];
  expect(questions.underWay).toBe(1);
  asked.get('a')!.resolve('found');
  expect(await Promise.all(both)).toEqual(['found', 'found']);
  await settle();
  expect(questions.find('a')).toBeUndefined();
  expect(questions.underWay).toBe(0);
});

test('beyond the bound questions wait, and are asked in the order in which they came', async () => {
  const { asked, ask, questions } = make(2, 10);
  const all = ['a', 'b', 'c', 'd'].map(ask);
  expect([...asked.keys()]).toEqual(['a', 'b']);
  expect(questions.waiting).toBe(2);
  asked.get('b')!.resolve('2');
  await settle();
  expect([...asked.keys()]).toEqual(['a', 'b', 'c']);
  asked.get('a')!.reject(new Error('broken'));
  await settle();
  for (const key of ['c', 'd']) asked.get(key)!.resolve(key);
  expect((await Promise.allSettled(all)).map(one => one.status)).toEqual([
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ]);
});

test('who asks what waits for its turn waits with it', async () => {
  const { asked, ask, questions } = make(1, 10);
  void ask('a');
  const both = [ask('b'), ask('b')];
  expect(questions.waiting).toBe(1);
  asked.get('a')!.resolve('1');
  await settle();
  asked.get('b')!.resolve('2');
  expect(await Promise.all(both)).toEqual(['2', '2']);
});

test('a question whose turn does not come in its time is a time-out, and is not asked', async () => {
  const { clock, asked, ask, codeOf, questions } = make(1, 10);
  void ask('a');
  const late = codeOf(ask('b'));
  await clock.advance(1000);
  expect(await late).toBe('ETIMEOUT');
  expect(questions.waiting).toBe(0);
  asked.get('a')!.resolve('1');
  await settle();
  expect(asked.has('b')).toBe(false);
});

test('too many that wait are told at once', async () => {
  const { ask, codeOf } = make(1, 1);
  void ask('a');
  void ask('b');
  expect(await codeOf(ask('c'))).toBe('ECONNREFUSED');
});

test('close tells those who wait', async () => {
  const { ask, codeOf, questions, clock } = make(1, 10);
  void ask('a');
  const waiting = codeOf(ask('b'));
  questions.close();
  expect(await waiting).toBe('ECANCELLED');
  expect(clock.pendingTimers).toBe(0);
});
