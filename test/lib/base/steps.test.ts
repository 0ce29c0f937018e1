import { expect, test } from 'vitest';
import { doAll, Steps } from '../../../lib/base/steps.js';

const fails = (text: string) => (): never => {
  throw new Error(text);
};

test('each step is done, whatever becomes of the others, and what one has thrown is told at the end', async () => {
  const done: number[] = [];
  const steps = new Steps();
  steps.do(() => done.push(1));
  steps.do(fails('two'));
  await steps.wait(async () => done.push(3));
  expect(() => steps.tell('a row')).toThrow('two');
  expect(done).toEqual([1, 3]);
});

test('several mistakes are told together', async () => {
  const steps = new Steps();
  steps.do(fails('one'));
  await steps.wait(() => Promise.reject(new Error('two')));
  expect(() => steps.tell('it was closed')).toThrow('it was closed: 2 steps failed: one; two');
  expect(() => doAll('nothing', [() => 1])).not.toThrow();
});
