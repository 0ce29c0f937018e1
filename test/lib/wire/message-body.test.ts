// A DNS message that is a body over HTTP, from its pieces.
import { expect, test } from 'vitest';
import { MessageBody } from '../../../lib/wire/message-body.js';

test('chunks of an octet each are held in one buffer that is not much longer than they are together', () => {
  const body = new MessageBody();
  const octets = Uint8Array.from({ length: 60_000 }, (_, i) => i & 255);
  for (const octet of octets) body.add(Uint8Array.of(octet));
  expect(Buffer.compare(body.message, octets)).toBe(0);
  expect(body.message.buffer.byteLength).toBeLessThan(2 * 65_536);
  expect(body.isTooLong).toBe(false);
});

test('a body of more than 65,535 octets is too long, and not held', () => {
  const body = new MessageBody();
  body.add(Buffer.alloc(65_535));
  expect([body.isTooLong, body.message.length]).toEqual([false, 65_535]);
  body.add(Buffer.alloc(1));
  expect([body.isTooLong, body.octets, body.message.length]).toEqual([true, 65_536, 0]);
});
