// dnstap of a server: each reply as a message that another reader of dnstap.proto understands.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dnstapMessage } from '../../../../lib/server/tap/dnstap-message.js';
import { TapRecord } from '../../../../lib/server/tap/record.js';
import { askTcp, askUdp } from '../../../support/client.js';
import { type Fields, FrameReader, readProtobuf } from '../../../support/frame-reader.js';
import { answerA, decode, makeQuery } from '../../../support/messages.js';
import { TestServer } from '../../../support/test-server.js';
import { recordOf } from './records.js';
import { until } from '../../../support/until.js';

let folder: string;
let path: string;
let reader: FrameReader | undefined;
let server: TestServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-dnstap-'));
  path = join(folder, 'socket');
});
afterEach(async () => {
  await server?.close();
  await reader?.close();
  server = reader = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const one = (fields: Fields, number: number): number | Buffer | undefined => fields.get(number)?.[0];
const messageIn = (frame: Buffer): Fields => readProtobuf(one(readProtobuf(frame), 14) as Buffer);

describe('dnstap', () => {
  test('tells each reply with its client, its way and its times', async () => {
    reader = await FrameReader.listen({ path });
    server = await TestServer.start(query => answerA(query), {
      dnstap: { to: `unix:${path}`, identity: 'ns1.example', clients: 'full' },
      tap: { hitsOneIn: 1 },
    });
    await askUdp(server.address, makeQuery('a.example'));
    await askUdp(server.address, makeQuery('a.example'));
    await askTcp(server.server.addresses().tcp[0], [makeQuery('b.example')]);
    server.server.watching.drain();
    await reader.has(3);
    const now = Date.now() / 1000;
    for (const frame of reader.frames) {
      const dnstap = readProtobuf(frame);
      expect(String(one(dnstap, 1))).toBe('ns1.example');
      expect(String(one(dnstap, 2))).toBe('shardns');
      expect(one(dnstap, 15)).toBe(1);
      const message = messageIn(frame);
      expect(one(message, 1)).toBe(6);
      expect(one(message, 2)).toBe(1);
      expect(one(message, 4)).toEqual(Buffer.from([127, 0, 0, 1]));
      expect(one(message, 6)).toBeGreaterThan(0);
      expect(Math.abs((one(message, 12) as number) - now)).toBeLessThan(60);
      expect(one(message, 8)).toBeLessThanOrEqual(one(message, 12) as number);
      for (const nanoseconds of [9, 13]) expect(one(message, nanoseconds)).toBeLessThan(1e9);
      expect(decode(one(message, 14) as Buffer).answers).toHaveLength(1);
    }
    const told = reader.frames.map(messageIn).map(it => [one(it, 3), decode(one(it, 14) as Buffer).questions![0].name]);
    expect(told.sort()).toEqual([
      [1, 'a.example'],
      [1, 'a.example'],
      [2, 'b.example'],
    ]);
    expect(server.server.report().watching.dnstap).toMatchObject({ dropped: 0, failures: 0, isOpen: true });
    await server.server.update({ dnstap: { to: `unix:${path}`, clients: 'off' } });
    await askUdp(server.address, makeQuery('c.example'));
    server.server.watching.drain();
    await reader.has(4);
    const last = messageIn(reader.frames[3]);
    for (const field of [2, 4, 6]) expect(one(last, field)).toBeUndefined();
  });
  test('goes on without a reader, and drops rather than grows', async () => {
    server = await TestServer.start(query => answerA(query), { dnstap: { to: `unix:${path}` } });
    expect(await askUdp(server.address, makeQuery('a.example'))).toBeDefined();
    expect(server.server.report().watching.dnstap).toMatchObject({ isOpen: false });
  });
  test.each(['unix:', 'udp://127.0.0.1:1', 'tcp://127.0.0.1:0', 'tcp://localhost:1'])('refuses %s', async to => {
    await expect(TestServer.start(query => answerA(query), { dnstap: { to } })).rejects.toThrow('dnstap.to: expected');
  });
  test('a reply of which the question alone is there says so', () => {
    const { parts } = recordOf();
    const reply = Uint8Array.from(parts.reply);
    reply[7] = 3;
    const frame = dnstapMessage(new TapRecord({ ...parts, reply }), parts.client, {
      identity: new Uint8Array(0),
      version: new Uint8Array(0),
    });
    const shown = decode(one(messageIn(Buffer.from(frame)), 14) as Buffer);
    expect([shown.flag_tc, shown.answers]).toEqual([true, []]);
    expect(one(readProtobuf(Buffer.from(frame)), 1)).toBeUndefined();
  });

  const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  test.runIf(has('fstrm_capture'))('is understood by fstrm_capture', async () => {
    const file = join(folder, 'frames');
    const capture = spawn('fstrm_capture', ['-t', 'protobuf:dnstap.Dnstap', '-u', path, '-w', file], {
      stdio: 'ignore',
    });
    try {
      await until(() => existsSync(path));
      server = await TestServer.start(query => answerA(query), { dnstap: { to: `unix:${path}` } });
      await askUdp(server.address, makeQuery('a.example'));
      server.server.watching.drain();
      await until(() => server!.server.report().watching.dnstap?.sent === 1);
      await server.close();
      server = undefined;
      const ended = new Promise(resolve => capture.on('exit', resolve));
      capture.kill('SIGTERM');
      await ended;
      expect(statSync(file).size).toBeGreaterThan(100);
      if (has('dnstap-ldns'))
        expect(execFileSync('dnstap-ldns', ['-r', file], { encoding: 'utf8' })).toContain('a.example');
    } finally {
      capture.kill('SIGKILL');
    }
  });
});
