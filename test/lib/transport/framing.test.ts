// Cutting a stream into messages, however it comes in pieces.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame, MessageReader } from '../../../lib/transport/framing.js';

test('however a stream is cut, the same messages come out, and nothing is held back at the end', () => {
  const message = fc.uint8Array({ maxLength: 1500 });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
      (list, sizes) => {
        const stream = Buffer.concat(list.map(frame));
        const reader = new MessageReader();
        const found: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length];
          found.push(...reader.push(stream.subarray(at, at + size)));
          at += size;
        }
        expect(found.map(one => one.toString('hex'))).toEqual(list.map(one => Buffer.from(one).toString('hex')));
        expect(reader.buffered).toBe(0);
      },
    ),
  );
});

test('a message that comes octet by octet costs the memory of its octets, not of its pieces', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 20 }, () => new MessageReader());
  for (const reader of readers) {
    reader.push(Buffer.from([0xff, 0xff]));
    for (let i = 0; i < 20_000; i++) reader.push(Buffer.from([i & 255]));
    expect(reader.buffered).toBe(20_002);
  }
  expect((process.memoryUsage().arrayBuffers - before) / readers.length).toBeLessThan(2 * 20_000 + 100_000);
});

test('a length alone reserves nothing', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 1000 }, () => new MessageReader());
  for (const reader of readers) reader.push(Buffer.from([0xff, 0xff, 1]));
  expect((process.memoryUsage().arrayBuffers - before) / readers.length).toBeLessThan(2048);
});
