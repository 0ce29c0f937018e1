// Other people's messages: every malformed one is refused, every valid response is stored as its records are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../../lib/cache/engine.js';
import { Status } from '../../../lib/native/binding.js';
import { vectorsFolder } from '../../support/vectors.js';

const folder = vectorsFolder('wire') ?? '';
const lines = <T>(name: string): T[] =>
  readFileSync(join(folder, 'wire', name), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as T);

describe.skipIf(folder === '')('third-party messages', () => {
  const engine = new Engine({ memoryBytes: 4 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
  afterAll(() => engine.close());

  test('malformed messages are never stored; whatever is stored was valid', () => {
    const wrong: string[] = [];
    let stored = 0;
    for (const packet of lines<{ id: string; hex: string; verdict: string }>('packets.jsonl')) {
      const octets = Buffer.from(packet.hex, 'hex');
      const status = engine.insert(octets, {}, 0);
      engine.answer(octets);
      if (status >= 0) stored++;
      if (packet.verdict === 'malformed' && status >= 0) wrong.push(packet.id);
    }
    expect(wrong).toEqual([]);
    expect(stored).toBeGreaterThan(0);
  });

  test('valid messages are not called malformed', () => {
    const wrong: string[] = [];
    for (const packet of lines<{ id: string; hex: string; verdict: string; name: string }>('packets.jsonl')) {
      if (packet.verdict !== 'valid') continue;
      const octets = Buffer.from(packet.hex, 'hex');
      if (octets.length < 12 || octets.readUInt16BE(4) !== 1) continue; // one question is what a response to us has
      octets[2] |= 0x80;
      octets[2] &= 0x87;
      if (engine.insert(octets, {}, 0) === Status.malformed) wrong.push(`${packet.id} ${packet.name}`);
    }
    expect(wrong).toEqual([]);
  });

  test('queries that servers answer with FORMERR get that very reply', () => {
    for (const { id, query_hex, expected_reply_hex } of lines<{
      id: string;
      query_hex: string;
      expected_reply_hex?: string;
    }>('server-formerr.jsonl')) {
      const length = engine.answer(Buffer.from(query_hex, 'hex'));
      const reply = Buffer.from(engine.reply.slice(0, Math.max(0, length)));
      expect(reply[3] & 15, id).toBe(1);
      // One of them expects SERVFAIL of a server that reads the NSEC3 in a query's authority section; it is FORMERR here.
      if (expected_reply_hex !== undefined && (Number.parseInt(expected_reply_hex[7], 16) & 15) === 1) {
        expect(reply.toString('hex'), id).toBe(expected_reply_hex);
      }
    }
  });
});
