import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Frame,
  FRAME_HEADER,
  FRAME_TAG,
  FrameKind,
  type FrameFields,
  Sealer,
} from '../../../../lib/cache/redis/frame.js';
import { Secrets } from '../../../../lib/cache/redis/secrets.js';

const secret = Buffer.from('a secret of thirty-two octets...');
const other = Buffer.from('another one of thirty-two octets');
const key = Buffer.from('sd1:dns:0123456789abcdef');
const body = Buffer.from('what a value says');
const fields: FrameFields = {
  kind: FrameKind.answer,
  flags: 5,
  storedMs: 1_700_000_000_123,
  expiresMs: 1_700_000_060_123,
  staleUntilMs: 1_700_086_460_123,
  epoch: 0xdead_beef,
};
const sealer = (secrets: Uint8Array[], encrypt = false): Sealer =>
  new Sealer({ secrets: new Secrets(secrets), encrypt });

describe.each([
  ['without a secret', [], false],
  ['sealed by HMAC', [secret], false],
  ['encrypted', [secret], true],
] as const)('a value %s', (_, secrets, encrypt) => {
  test('comes back as it was', () => {
    const mine = sealer([...secrets], encrypt);
    const frame = sealer([...secrets], encrypt).open(key, mine.seal(key, fields, body)) as Frame;
    expect(frame).toMatchObject({ ...fields, sealed: secrets.length > 0, writer: mine.writer });
    expect(frame.body.toString()).toBe(body.toString());
  });
  test('may be empty', () => {
    const mine = sealer([...secrets], encrypt);
    expect((mine.open(key, mine.seal(key, fields, Buffer.alloc(0))) as Frame).body).toHaveLength(0);
  });
  test('is not there where fewer octets are than a frame has', () => {
    const mine = sealer([...secrets], encrypt);
    const frame = mine.seal(key, fields, Buffer.alloc(0));
    for (let length = 0; length < frame.length; length++) {
      expect(['short', 'forged', 'version']).toContain(mine.open(key, frame.subarray(0, length)));
    }
  });
  test('is refused where its version or its seal is not known', () => {
    const mine = sealer([...secrets], encrypt);
    for (const octet of [0x00, 0x13, 0x1f, 0x20, 0xff]) {
      const frame = mine.seal(key, fields, body);
      frame[0] = octet;
      expect(mine.open(key, frame)).toBe('version');
    }
  });
});

describe.each([
  ['sealed by HMAC', false],
  ['encrypted', true],
])('a value %s', (_, encrypt) => {
  const mine = sealer([secret], encrypt);

  test('is refused when any bit of it is another one', () => {
    const frame = mine.seal(key, fields, body);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const changed = Buffer.from(frame);
      changed[bit >> 3] ^= 1 << (bit & 7);
      expect(typeof mine.open(key, changed)).toBe('string');
    }
  });
  test('is refused under another key, and where the key has another end', () => {
    const frame = mine.seal(key, fields, body);
    expect(mine.open(Buffer.from('sd1:dns:0123456789abcdeF'), frame)).toBe('forged');
    expect(mine.open(key.subarray(0, -1), frame)).toBe('forged');
    expect(mine.open(Buffer.concat([key, frame.subarray(0, 1)]), frame.subarray(1))).toBe('version');
  });
  test('is refused by a fleet with another secret', () => {
    const opened = sealer([other], encrypt).open(key, mine.seal(key, fields, body));
    expect(opened).toBe('forged');
  });
  test('is read under the secret before, and written under the newest', () => {
    const rotated = sealer([other, secret], encrypt);
    expect(rotated.open(key, mine.seal(key, fields, body))).toMatchObject(fields);
    expect(mine.open(key, rotated.seal(key, fields, body))).toBe('forged');
    expect(sealer([other], encrypt).open(key, rotated.seal(key, fields, body))).toMatchObject(fields);
  });
  test('is believed by those who seal the other way too', () => {
    expect(sealer([secret], !encrypt).open(key, mine.seal(key, fields, body))).toMatchObject(fields);
  });
  test('is refused whatever octets are in its place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), octets => typeof mine.open(key, Buffer.from(octets)) === 'string'),
    );
  });
});

test.each([
  ['sealed by HMAC', false],
  ['encrypted', true],
])('of many values %s that were changed at random none is taken', (_, encrypt) => {
  // As many as one likes: a million take a quarter of a minute.
  const ALL = Number(process.env.FLEET_MUTATIONS ?? 20_000);
  const mine = sealer([secret, other], encrypt);
  const frame = mine.seal(key, fields, randomBytes(150));
  let taken = 0;
  for (let i = 0; i < ALL; i++) {
    const random = randomBytes(8);
    let changed = Buffer.from(frame);
    if (i % 4 === 0) changed = randomBytes(random[0]);
    else if (i % 4 === 1) changed = changed.subarray(0, random.readUInt16BE(0) % frame.length);
    else
      for (let j = 0; j <= random[1] % 3; j++)
        changed[random.readUInt16BE(2 + j) % frame.length] ^= 1 << (random[7] & 7);
    if (!changed.equals(frame) && typeof mine.open(key, changed) !== 'string') taken++;
  }
  expect(taken).toBe(0);
});
test('a seal is 16 octets of HMAC-SHA-256 over key, header and body, however long', () => {
  const mac = new Secrets([secret]).newest!.derive('mac', 32);
  for (const length of [0, 1, 55, 64, 150, 4000, 5000, 70_000]) {
    const frame = sealer([secret]).seal(key, fields, randomBytes(length));
    const end = frame.length - FRAME_TAG;
    const hmac = createHmac('sha256', mac)
      .update(Buffer.from([0, key.length]))
      .update(key);
    const expected = hmac.update(frame.subarray(0, end)).digest().subarray(0, FRAME_TAG);
    expect(frame.subarray(end)).toEqual(expected);
    expect(sealer([secret]).open(key, frame)).toMatchObject(fields);
  }
});
test('a value without a seal is refused by a fleet that has a secret', () => {
  expect(sealer([secret]).open(key, sealer([]).seal(key, fields, body))).toBe('unsealed');
});
test('an encrypted value shows nothing of what it says', () => {
  expect(sealer([secret], true).seal(key, fields, body).includes(body)).toBe(false);
});
test('no two encrypted values of one writer have the same nonce', () => {
  const mine = sealer([secret], true);
  const count = (frame: Buffer): string => frame.toString('hex', FRAME_HEADER - 6, FRAME_HEADER);
  const counts = Array.from({ length: 100 }, () => count(mine.seal(key, fields, body)));
  expect(new Set(counts).size).toBe(100);
});
test('a frame is as long as its header, its body and its tag', () => {
  expect(sealer([secret]).seal(key, fields, body)).toHaveLength(FRAME_HEADER + body.length + FRAME_TAG);
  expect(sealer([]).seal(key, fields, body)).toHaveLength(FRAME_HEADER + body.length);
});
test('a secret of fewer than 16 octets is refused, and not shown', () => {
  expect(() => new Secrets([Buffer.from('short')])).toThrow('secret: expected at least 16 octets, got "5 octets"');
});
