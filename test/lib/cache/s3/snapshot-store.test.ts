// Snapshots in S3-compatible storage: sent, named, found, checked; and all that goes wrong on the way.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../../../lib/base/clock.js';
import { bodyOf, systemHttp } from '../../../../lib/cache/s3/http.js';
import { parseS3Url, readS3 } from '../../../../lib/cache/s3/options.js';
import { SnapshotStore } from '../../../../lib/cache/s3/snapshot-store.js';
import { S3Stub } from '../../../support/s3-stub.js';

const folder = mkdtempSync(join(tmpdir(), 'shardns-s3-'));
afterAll(() => rmSync(folder, { recursive: true }));
let stub: S3Stub;
let wall = 0;
let waits: number[] = [];
/** Waits are over at once, and the wall clock says what it is told. */
const clock: Clock = {
  nowMs: () => performance.now(),
  wallSeconds: () => Math.floor(Date.now() / 1000) + wall,
  after: (ms, run) => {
    waits.push(ms);
    const timer = setImmediate(run);
    return { cancel: () => clearImmediate(timer) };
  },
};
beforeEach(async () => {
  stub = await S3Stub.start();
  [wall, waits] = [0, []];
});
afterEach(() => stub.stop());

const store = (options: object = {}): SnapshotStore =>
  new SnapshotStore(readS3({ ...stub.place(), ...options }, {}), { clock, env: {} });
const file = (text: string): string => {
  const path = join(folder, `file-${Math.random()}`);
  writeFileSync(path, text);
  return path;
};
const rules = '0123456789abcdef';
const send = (to: SnapshotStore, text: string): Promise<boolean> =>
  to.send(file(text), { entries: text.length, rules });
const never = (_at: string, error: Error): void => {
  throw error;
};
const loaded = async (from: SnapshotStore): Promise<string | undefined> => {
  const found = await from.newest(never);
  return found && from.withFile(found, async path => Promise.resolve(readFileSync(path, 'utf8')));
};

test('what was sent last is found by another one, with what was said of it', async () => {
  expect(await store().newest(never)).toBeUndefined();
  expect(await send(store(), 'first')).toBe(true);
  wall = 1;
  expect(await send(store(), 'second')).toBe(true);
  const found = await store().newest(never);
  expect(found!.manifest).toMatchObject({ octets: 6, entries: 6, rules });
  expect(await loaded(store())).toBe('second');
});

test('only the newest stay', async () => {
  const own = store({ keep: 2 });
  stub.page = 2; // a listing of several pages
  for (let i = 0; i < 5; i++) {
    wall = i;
    await send(own, `number ${i}`);
  }
  const names = [...stub.objects.keys()];
  expect(names.length).toBe(3);
  expect(names.filter(name => name.startsWith('bucket/p/snapshots/')).length).toBe(2);
  expect(await loaded(own)).toBe('number 4');
});

test('what else lies there is left alone', async () => {
  stub.objects.set('bucket/p/snapshots/notes', { octets: Buffer.from('mine'), etag: '"1"' });
  for (let i = 0; i < 3; i++) {
    wall = i;
    await send(store({ keep: 1 }), 'x');
  }
  expect(stub.objects.has('bucket/p/snapshots/notes')).toBe(true);
});

test('an older one does not take the place of a newer one', async () => {
  wall = 100;
  await send(store(), 'newer');
  wall = 0;
  expect(await send(store(), 'older')).toBe(false);
  expect(await loaded(store())).toBe('newer');
});

test('two that send at the same time leave the newest, with and without conditional writes', async () => {
  for (const conditional of [true, false]) {
    stub.conditional = conditional;
    // With room for all: what one names while another deletes what is beyond `keep` may be gone.
    await Promise.all(Array.from({ length: 4 }, (_, i) => send(store({ keep: 8 }), `one of ${i}`)));
    expect(await loaded(store())).toMatch(/^one of/);
    stub.objects.clear();
  }
});

test('the newest of all regions is found; one that cannot be asked is told and passed over', async () => {
  await using other = await S3Stub.start();
  const others = [
    { ...other.place('far', 'q'), credentials: other.credentials },
    { ...stub.place('gone'), endpoint: 'http://127.0.0.1:9' },
  ] as never;
  await send(store(), 'near');
  wall = 10;
  await send(new SnapshotStore(readS3(other.place('far', 'q'), {}), { clock }), 'far');
  const told: string[] = [];
  const own = store({ others });
  const found = await own.newest(at => told.push(at));
  expect(found!.at).toBe('s3://far/q/');
  expect(told).toEqual(['s3://gone/p/']);
  expect(await own.withFile(found!, async path => Promise.resolve(readFileSync(path, 'utf8')))).toBe('far');
});

describe('storage that fails', () => {
  test.each([500, 503, 429])('with status %i is asked again, behind a growing wait', async status => {
    stub.faults = Array.from({ length: 3 }, () => ({ of: /^PUT .*snapshots/, fault: { status } }));
    expect(await send(store(), 'text')).toBe(true);
    expect(waits.length).toBe(3);
    expect(waits[2]).toBeGreaterThan(waits[0]);
  });

  test('for good is an error that names it, and leaves no manifest', async () => {
    stub.faults = Array.from({ length: 9 }, () => ({ of: /^PUT/, fault: { status: 503 } }));
    await expect(send(store(), 'text')).rejects.toThrow(/^s3:\/\/bucket: PUT p\/snapshots\/.*: HTTP status 503, Fault/);
    expect(await store().newest(never)).toBeUndefined();
  });

  test('half a body goes on from where it was cut', async () => {
    const text = 'x'.repeat(300_000);
    await send(store(), text);
    stub.faults = [
      { of: /^GET .*snapshots/, fault: { cutAt: 100_000 } },
      { of: /^GET .*snapshots/, fault: { cutAt: 50_000 } },
    ];
    expect(await loaded(store())).toBe(text);
  });

  test('a snapshot that was changed under its manifest is not loaded', async () => {
    await send(store(), 'text');
    for (const [name, stored] of stub.objects) {
      if (name.includes('snapshots')) stored.octets = Buffer.from('tex!');
    }
    await expect(loaded(store())).rejects.toThrow('is not what its manifest says: another SHA-256');
  });

  test('a snapshot that is longer than its manifest says is not fetched whole', async () => {
    await send(store(), 'text');
    for (const [name, stored] of stub.objects) {
      if (name.includes('snapshots')) stored.octets = Buffer.alloc(1_000_000);
    }
    await expect(loaded(store())).rejects.toThrow('an object of more than 4 octets');
  });

  test('a snapshot that is gone is said', async () => {
    await send(store(), 'text');
    for (const name of stub.objects.keys()) if (name.includes('snapshots')) stub.objects.delete(name);
    await expect(loaded(store())).rejects.toThrow('is not there any more');
  });

  test.each([
    '',
    'not JSON',
    '{}',
    '[]',
    'null',
    JSON.stringify({ version: 2 }),
    JSON.stringify({ version: 1, snapshot: '../secrets', octets: 1 }),
  ])('the manifest %j is none', async text => {
    stub.objects.set('bucket/p/latest.json', { octets: Buffer.from(text), etag: '"1"' });
    const told: string[] = [];
    expect(await store().newest((_at, error) => told.push(error.message))).toBeUndefined();
    expect(told).toEqual(['s3://bucket/p/latest.json: is no manifest of snapshots of this version']);
    // It is in nobody's way.
    expect(await send(store(), 'text')).toBe(true);
    expect(await loaded(store())).toBe('text');
  });

  test('a clock that is an hour off is corrected by what the storage says', async () => {
    stub.aheadMs = 3_600_000;
    expect(await send(store(), 'text')).toBe(true);
  });

  test('a clock here that is put right again is believed again', async () => {
    const own = store();
    wall = -3600;
    expect(await send(own, 'first')).toBe(true);
    wall = 0;
    expect(await send(own, 'second')).toBe(true);
  });

  test("a snapshot of a time to come, by a clock that was wrong, is in nobody's way", async () => {
    wall = 10 * 365 * 86_400;
    stub.aheadMs = wall * 1000;
    for (const text of ['wrong 1', 'wrong 2', 'wrong 3']) {
      wall++;
      await send(store(), text);
    }
    [wall, stub.aheadMs] = [0, 0];
    expect(await send(store(), 'right 1')).toBe(true);
    wall = 1;
    expect(await send(store(), 'right 2')).toBe(true);
    wall = 2;
    expect(await send(store(), 'right 3')).toBe(true);
    expect(await loaded(store())).toBe('right 3');
    expect(
      [...stub.objects.values()]
        .map(({ octets }) => octets.toString())
        .filter(one => !one.startsWith('{'))
        .sort(),
    ).toEqual(['right 1', 'right 2', 'right 3']);
  });

  test('a listing that never ends is given up', async () => {
    stub.listing = '<ListBucketResult><NextContinuationToken>on</NextContinuationToken></ListBucketResult>';
    expect(await send(store(), 'text')).toBe(true);
    expect(stub.requests.filter(one => one === 'GET bucket/').length).toBeLessThanOrEqual(100);
  });

  test('a listing of elements that do not end is read in a moment', async () => {
    stub.listing = '<Contents>'.repeat(800_000);
    const begun = performance.now();
    expect(await send(store(), 'text')).toBe(true);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  test('an answer that comes without end is given up, however much of it comes', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const response = await systemHttp({ method: 'GET', url, idleMs: 1000, totalMs: 50 });
      await expect(bodyOf(response, 1_000_000, url)).rejects.toThrow('its answer has not ended in 50 ms');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('wrong credentials are refused, and the secret is in no message', async () => {
    const credentials = { accessKeyId: 'TESTKEY', secretAccessKey: 'not-the-secret' };
    const error = await send(store({ credentials }), 'text').catch((one: Error) => one);
    expect((error as Error).message).toContain('HTTP status 403, SignatureDoesNotMatch');
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain('not-the-secret');
  });
});

describe('credentials', () => {
  test('of a function are asked for once, and again before they end', async () => {
    let asked = 0;
    const credentials = (): object => {
      asked++;
      return { ...stub.credentials, expiresMs: clock.wallSeconds() * 1000 + 3_600_000 };
    };
    const own = store({ credentials });
    await send(own, 'a');
    await send(own, 'b');
    expect(asked).toBe(1);
    wall = 3400;
    stub.aheadMs = 3_400_000;
    await send(own, 'c');
    expect(asked).toBe(2);
  });

  test('of the environment are used where none are given', async () => {
    const { accessKeyId, secretAccessKey } = stub.credentials;
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const own = new SnapshotStore(readS3({ ...stub.place(), credentials: undefined }, {}), { clock, env });
    expect(await send(own, 'text')).toBe(true);
  });

  test('that are nowhere are said to be nowhere', async () => {
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:9' };
    const own = new SnapshotStore(readS3({ ...stub.place(), credentials: undefined }, {}), { clock, env });
    await expect(send(own, 'text')).rejects.toThrow('credentials: none are given, and the environment has none');
  });
});

test.each<[object, string]>([
  [{}, 'bucket: expected the name of a bucket'],
  [{ bucket: 'UPPER' }, 'bucket: expected the name of a bucket, got "UPPER"'],
  [{ bucket: 'b-1', prefix: '../x' }, 'prefix: expected text of letters'],
  [{ bucket: 'b-1', endpoint: 'ftp://x' }, 'endpoint: expected an address such as'],
  [{ bucket: 'b-1', endpoint: 'https://user@x' }, 'endpoint: expected an address such as'],
  [{ bucket: 'b-1', keep: 0 }, 'keep: expected a whole number from 1 to 1000, got 0'],
  [{ bucket: 'b-1', acl: 'x' }, 'acl: is not an option'],
  [{ bucket: 'b-1', others: [{ bucket: 5 }] }, 'bucket: expected the name of a bucket, got 5'],
])('%j is refused with the reason', (options, expected) => {
  expect(() => readS3(options, {})).toThrow(expected);
});

test('s3://BUCKET/PREFIX', () => {
  expect(parseS3Url('s3://bucket')).toEqual({ bucket: 'bucket' });
  expect(parseS3Url('s3://bucket/a/b/')).toEqual({ bucket: 'bucket', prefix: 'a/b' });
  expect(() => parseS3Url('https://bucket')).toThrow('to: expected s3://BUCKET/PREFIX, got "https://bucket"');
});
