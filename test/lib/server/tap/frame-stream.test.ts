// Frames on their way to whoever takes them: the handshake, an end, and readers that are away, late or wrong.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemRandom } from '../../../../lib/base/random.js';
import { FrameStream, type FrameTarget } from '../../../../lib/server/tap/frame-stream.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { FrameReader } from '../../../support/frame-reader.js';
import { until } from '../../../support/until.js';

let folder: string;
let path: string;
let reader: FrameReader | undefined;
let stream: FrameStream | undefined;
let clock: FakeClock;
let reasons: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-frames-'));
  path = join(folder, 'socket');
  clock = new FakeClock();
  reasons = [];
});
afterEach(async () => {
  await Promise.all([stream?.close(), reader?.close()]);
  stream = reader = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const open = (target: FrameTarget): FrameStream =>
  (stream = new FrameStream(target, 'protobuf:test', {
    clock,
    random: systemRandom,
    failed: reason => reasons.push(reason),
  }));
const frame = (i: number): Buffer => Buffer.from(`frame ${i}`);
const texts = (): string[] => reader!.frames.map(String);

describe('a stream of frames', () => {
  test.each(['unix', 'tcp'])('says who it is, what comes, and its end (%s)', async way => {
    reader = await FrameReader.listen(way === 'unix' ? { path } : { host: '127.0.0.1', port: 0 });
    open(way === 'unix' ? { path } : { host: '127.0.0.1', port: reader.port });
    for (let i = 0; i < 3; i++) stream!.send(frame(i));
    await reader.has(3);
    stream!.send(frame(3));
    await reader.has(4);
    await stream!.close();
    expect(texts()).toEqual(['frame 0', 'frame 1', 'frame 2', 'frame 3']);
    expect(reader.said).toEqual(['READY protobuf:test', 'START protobuf:test', 'STOP']);
    expect(stream!.stats).toEqual({ sent: 4, dropped: 0, connected: 1, failures: 0 });
    stream!.send(frame(5));
    expect(stream!.stats.dropped).toBe(1);
  });
  test('frames wait for a reader that is away, so many and no more', async () => {
    open({ path });
    for (let i = 0; i < 10_010; i++) stream!.send(frame(i));
    expect(stream!.stats.dropped).toBe(10);
    await until(() => reasons.length === 1);
    expect(reasons[0]).toContain('ENOENT');
    reader = await FrameReader.listen({ path });
    await clock.advance(1000);
    await reader.has(10_000);
    expect(texts()[9999]).toBe('frame 9999');
    expect(stream!.stats).toMatchObject({ sent: 10_000, connected: 1, failures: 1 });
  });
  test('after a reader that was lost another one is asked for', async () => {
    reader = await FrameReader.listen({ path });
    open({ path });
    stream!.send(frame(0));
    await reader.has(1);
    reader.hangUp();
    await until(() => reasons.length === 1);
    expect(stream!.isOpen).toBe(false);
    stream!.send(frame(1));
    await clock.advance(1000);
    await reader.has(2);
    expect(texts()).toEqual(['frame 0', 'frame 1']);
  });
  test('a reader that says nothing is left after a while', async () => {
    reader = await FrameReader.listen({ path });
    reader.accepts = false;
    open({ path });
    await until(() => reader!.said.length === 1);
    await clock.advance(5000);
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(['no ACCEPT came within 5 s']);
  });
  test('a reader that takes something else is told nothing', async () => {
    reader = await FrameReader.listen({ path });
    reader.contentType = 'text/plain';
    open({ path });
    stream!.send(frame(0));
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(['it does not take protobuf:test']);
    expect(reader.frames).toEqual([]);
  });
  test('closed before anybody came, it counts what waited as dropped', async () => {
    open({ path });
    stream!.send(frame(0));
    await stream!.close();
    expect(stream!.stats.dropped).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });
});
