// What waits in turns of clients.
import { expect, test } from 'vitest';
import { FairQueue } from '../../../lib/base/fair-queue.js';

function served(queue: FairQueue<string>, most = Infinity, may: (one: string) => boolean = () => true): string[] {
  const got: string[] = [];
  queue.serve(one => {
    if (got.length >= most) return 'none';
    if (!may(one)) return 'not it';
    got.push(one);
    return 'taken';
  });
  return got;
}

test('clients take turns, and the things of one go in the order in which they came', () => {
  const queue = new FairQueue<string>(1000);
  for (const one of ['a1', 'a2', 'a3', 'a4']) expect(queue.add(one, '192.0.2.1')).toBe(true);
  queue.add('b1', '192.0.2.2');
  queue.add('n1', undefined);
  queue.add('b2', '192.0.2.2');
  expect(served(queue)).toEqual(['a1', 'b1', 'n1', 'a2', 'b2', 'a3', 'a4']);
  expect(queue.size).toBe(0);
});

test('whose turn it is stays so when nobody has one for a while', () => {
  const queue = new FairQueue<string>(1000);
  for (const one of ['a1', 'a2', 'a3']) queue.add(one, '192.0.2.1');
  for (const one of ['b1', 'b2', 'b3']) queue.add(one, '192.0.2.2');
  expect([0, 1, 2, 3].flatMap(() => served(queue, 1))).toEqual(['a1', 'b1', 'a2', 'b2']);
});

test('a client that has to wait is passed over, and the others are not kept by it', () => {
  const queue = new FairQueue<string>(1000);
  for (const one of ['a1', 'a2']) queue.add(one, '2001:db8::1');
  queue.add('a3', '2001:db8:0:1::2');
  queue.add('b1', '192.0.2.2');
  expect(served(queue, Infinity, one => !one.startsWith('a'))).toEqual(['b1']);
  expect(served(queue)).toEqual(['a1', 'a2', 'a3']);
});

test('lines of one client take turns, and what cannot go keeps its own line alone', () => {
  const queue = new FairQueue<string>(1000);
  for (const one of ['slow1', 'slow2', 'slow3']) queue.add(one, '192.0.2.1', 'slow');
  for (const one of ['fast1', 'fast2']) queue.add(one, '192.0.2.1', 'fast');
  queue.add('other1', '192.0.2.2', 'slow');
  expect(served(queue, Infinity, one => !one.startsWith('slow'))).toEqual(['fast1', 'other1', 'fast2']);
  queue.add('fast3', '192.0.2.1', 'fast');
  expect(served(queue)).toEqual(['slow1', 'fast3', 'slow2', 'slow3']);
  expect(queue.size).toBe(0);
});

test('a client that has to wait is asked about one of its lines only', () => {
  const queue = new FairQueue<string>(1000);
  for (let i = 0; i < 100; i++) queue.add(`a${i}`, '192.0.2.1', `zone${i}`);
  queue.add('b1', '192.0.2.2');
  const offered: string[] = [];
  queue.serve(one => {
    offered.push(one);
    return one.startsWith('a') ? 'not its client' : 'taken';
  });
  // Once before, and once after somebody was served.
  expect(offered).toEqual(['a0', 'b1', 'a0']);
});

test('is bounded, and one client has no more than half of it', () => {
  const queue = new FairQueue<string>(100);
  const add = (address: string): number => {
    let count = 0;
    while (queue.add(`${address} ${count}`, address)) count++;
    return count;
  };
  expect(add('192.0.2.1')).toBe(50);
  expect(add('192.0.2.2')).toBe(25);
  for (let i = 0; i < 200; i++) add(`198.51.100.${i}`);
  expect(queue.size).toBe(100);
  expect(queue.delete('192.0.2.1 7')).toBe(true);
  expect(queue.delete('192.0.2.1 7')).toBe(false);
  expect(queue.has('192.0.2.1 7')).toBe(false);
  expect(queue.add('x', '203.0.113.1')).toBe(true);
});
