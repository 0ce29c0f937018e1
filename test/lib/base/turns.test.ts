// Work in portions, between which others have their turn.
import { expect, test } from 'vitest';
import { Turns } from '../../../lib/base/turns.js';

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('as much as a turn allows is done at once, the rest in order in the turns that come', async () => {
  const turns = new Turns(10);
  const done: number[] = [];
  for (let i = 0; i < 7; i++) {
    turns.run(() => {
      done.push(i);
      return 4;
    });
  }
  expect(done).toEqual([0, 1, 2]);
  await turn();
  expect(done).toEqual([0, 1, 2, 3, 4, 5]);
  // What comes now stands behind those that wait.
  turns.run(() => {
    done.push(7);
    return 4;
  });
  expect(done).toHaveLength(6);
  await turn();
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('what comes one at a time is done at once, and one that costs more than a turn holds up nothing', async () => {
  const turns = new Turns(10);
  let done = 0;
  for (let i = 0; i < 3; i++) {
    turns.run(() => {
      done++;
      return 1000;
    });
    expect(done).toBe(i + 1);
    await turn();
    await turn();
  }
});

test('work that brings more work goes on in a later turn', async () => {
  const turns = new Turns(1);
  let done = 0;
  const work = (): number => {
    if (++done < 3) turns.run(work);
    return 1;
  };
  turns.run(work);
  for (let i = 0; i < 4; i++) await turn();
  expect(done).toBe(3);
});
