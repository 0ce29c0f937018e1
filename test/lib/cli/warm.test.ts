// `shardns warm`: names of a log, answered and left where servers begin.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { warmUp } from '../../../lib/cli/warm.js';
import { DnsServer } from '../../support/dns-server.js';
import { makeQuery, rcodeOf } from '../../support/messages.js';
import { S3Stub } from '../../support/s3-stub.js';
import { TestServer } from '../../support/test-server.js';

let stub: S3Stub;
let folder: string;
let upstream: DnsServer;
const said: string[] = [];
beforeEach(async () => {
  stub = await S3Stub.start();
  const address = (name: string) => ({ A: [{ type: 'A', name, ttl: 300, data: '192.0.2.1' }] as const });
  upstream = await DnsServer.start({ 'a.example': address('a.example'), 'b.example': address('b.example') } as never);
  folder = mkdtempSync(join(tmpdir(), 'shardns-warm-'));
  said.length = 0;
  vi.stubEnv('AWS_ACCESS_KEY_ID', stub.credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', stub.credentials.secretAccessKey);
  vi.spyOn(process.stdout, 'write').mockImplementation(text => said.push(String(text)) > 0);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
  upstream.close();
  await stub.stop();
});

test('the most frequent names of a log are there when a server starts', async () => {
  const file = join(folder, 'names');
  writeFileSync(file, 'a.example A\nb.example A\na.example A\n');
  const flags = {
    to: 's3://bucket/p',
    top: '1',
    endpoint: stub.endpoint,
    region: 'test-1',
    upstream: [`127.0.0.1:${upstream.port}`],
  };
  expect(await warmUp(file, flags)).toBe(0);
  expect(JSON.parse(said.join(''))).toMatchObject({ names: 1, questions: 1, failed: 0, entries: 1, sent: true });
  const s3 = { bucket: 'bucket', prefix: 'p', endpoint: stub.endpoint, region: 'test-1' };
  const server = await TestServer.start(() => undefined, { snapshot: { s3, intervalSeconds: 0 } });
  expect(rcodeOf((await server.ask('udp', makeQuery('a.example')))!)).toBe(0);
  expect(server.asked).toBe(0);
  await server.close();
});

test('storage that refuses it makes it fail', async () => {
  const file = join(folder, 'names');
  writeFileSync(file, 'a.example A\n');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
  const flags = {
    to: 's3://bucket/p',
    endpoint: stub.endpoint,
    upstream: [`127.0.0.1:${upstream.port}`],
    'log-level': 'silent',
  };
  expect(await warmUp(file, flags).catch((error: Error) => error.message)).toBe(1);
});

test.each<[object, string]>([
  [{ to: 'bucket' }, 'to: expected s3://BUCKET/PREFIX, got "bucket"'],
  [{ to: 's3://bucket', top: '0' }, '--top: expected a whole number from 1 to 1000000, got "0"'],
])('%j is refused', async (flags, expected) => {
  const file = join(folder, 'names');
  writeFileSync(file, 'a.example\n');
  await expect(warmUp(file, { upstream: ['127.0.0.1'], ...flags })).rejects.toThrow(expected);
});
