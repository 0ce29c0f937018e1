// A server's cache from start to start: snapshots, a file that processes share, names asked for ahead.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createServer } from '../../../lib/admin/create-server.js';
import type { Logger } from '../../../lib/base/log.js';
import type { S3Options, S3PlaceOptions } from '../../../lib/cache/s3/options.js';
import { DnsCache } from '../../../lib/index.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { type SnapshotParts, Snapshots } from '../../../lib/server/snapshots.js';
import { FakeClock } from '../../support/fake-clock.js';
import { answerA, makeQuery, rcodeOf } from '../../support/messages.js';
import { S3Stub } from '../../support/s3-stub.js';
import { TestServer } from '../../support/test-server.js';

const noRules = { high: 0, low: 0 };
const folder = mkdtempSync(join(tmpdir(), 'shardns-'));
afterAll(() => rmSync(folder, { recursive: true }));

function snapshotsOf(cache: DnsCache, clock: FakeClock, log: Logger, s3?: Partial<SnapshotParts>): Snapshots {
  const openStore = (): Promise<never> => Promise.reject(new Error('there is no storage'));
  const parts = { engine: cache.engine, clock, log, openStore, maySend: () => Promise.resolve(true), ...s3 };
  return new Snapshots(parts, noRules);
}

test('a restart with a snapshot answers without asking upstream', async () => {
  const file = join(folder, 'server');
  const options = { snapshot: { file } };
  const first = await TestServer.start(query => answerA(query, 300), options);
  expect(rcodeOf((await first.ask('udp', makeQuery('a.example')))!)).toBe(0);
  await first.close();
  expect(first.server.snapshots.stats).toMatchObject({ saves: 1, failures: 0, entries: 1 });
  const second = await TestServer.start(() => undefined, options);
  expect(rcodeOf((await second.ask('udp', makeQuery('a.example')))!)).toBe(0);
  expect(second.asked).toBe(0);
  await second.close();
});

test('a part that cannot be closed leaves the others closed and the snapshot saved, and close() says so', async () => {
  const file = join(folder, 'mistake');
  const one = await TestServer.start(query => answerA(query, 300), { snapshot: { file } });
  await one.ask('udp', makeQuery('a.example'));
  for (const part of [one.server.udpTransport, one.server.answerer]) {
    const close = part.close.bind(part);
    part.close = () => {
      close();
      throw new Error('a mistake');
    };
  }
  await expect(one.server.close()).rejects.toThrow('2 steps failed: a mistake; a mistake');
  expect(one.server.snapshots.stats).toMatchObject({ saves: 1, entries: 1 });
  expect(() => one.server.engine.stats()).toThrow();
});

test('answers that were made by other rules are not loaded; other local data forgets its own names only', async () => {
  const file = join(folder, 'rules');
  const start = (options: ServerOptions): Promise<TestServer> =>
    TestServer.start(query => answerA(query, 300), { snapshot: { file, intervalSeconds: 0 }, ...options });
  const first = await start({});
  for (const name of ['a.example', 'b.example']) await first.ask('udp', makeQuery(name));
  await first.close();
  const local = await start({ local: { records: ['a.example 60 A 192.0.2.9'] } });
  expect(local.server.snapshots.stats).toMatchObject({ loaded: 2 });
  for (const name of ['a.example', 'b.example']) await local.ask('udp', makeQuery(name));
  expect(local.asked).toBe(0);
  await local.close();
  const privateAddresses = ['10.0.0.0/8'];
  const strict = await start({ resolver: { privateAddresses } });
  expect(strict.server.snapshots.stats).toMatchObject({ loaded: 0 });
  await strict.ask('udp', makeQuery('b.example'));
  expect(strict.asked).toBe(1);
  await strict.close();
  const again = await start({ resolver: { privateAddresses } });
  expect(again.server.snapshots.stats).toMatchObject({ loaded: 1 });
  await again.close();
});

test('a server that could not listen leaves the snapshot alone', async () => {
  const file = join(folder, 'untouched');
  const first = await TestServer.start(query => answerA(query, 300), { snapshot: { file } });
  writeFileSync(file, 'left by somebody');
  const listen = [first.address];
  await expect(TestServer.start(() => undefined, { listen, snapshot: { file } })).rejects.toMatchObject({
    code: 'ERR_SHARDNS_LISTEN',
  });
  expect(readFileSync(file, 'utf8')).toBe('left by somebody');
  await first.close();
});

test('a folder that takes no files is warned of when it is named, not told at the end', async () => {
  using cache = DnsCache.create({ memory: '1MiB' });
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const snapshots = snapshotsOf(cache, new FakeClock(), log);
  const noFolder = join(folder, 'a file');
  writeFileSync(noFolder, '');
  for (const file of [join(folder, 'absent', 'answers'), join(noFolder, 'answers')]) {
    snapshots.use({ file, intervalSeconds: 60 });
    const told = 'the snapshot cannot be saved: its folder takes no files';
    expect(log.warn).toHaveBeenLastCalledWith(expect.objectContaining({ file }), told);
  }
  expect(log.warn).toHaveBeenCalledTimes(2);
  const file = join(folder, 'saved here');
  await snapshots.load({ file, intervalSeconds: 60 });
  snapshots.use({ file, intervalSeconds: 60 });
  expect(log.warn).toHaveBeenCalledTimes(2);
  snapshots.use(undefined);
});

test('snapshots are saved at intervals, one after another, and a failure is counted', async () => {
  using cache = DnsCache.create({ memory: '1MiB' });
  cache.insert(answerA(makeQuery('a.example')));
  const clock = new FakeClock();
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const snapshots = snapshotsOf(cache, clock, log);
  const file = join(folder, 'interval');
  await snapshots.load({ file, intervalSeconds: 60 });
  expect(log.info).toHaveBeenCalledWith(expect.objectContaining({ file }), 'no snapshot was loaded');
  snapshots.use({ file, intervalSeconds: 60 });
  await clock.advance(59_000);
  expect(existsSync(file)).toBe(false);
  await clock.advance(1000);
  await vi.waitFor(() => expect(snapshots.stats.saves).toBe(1), 120_000);
  await vi.waitFor(() => expect(clock.pendingTimers).toBe(1), 120_000);
  await clock.advance(60_000);
  await vi.waitFor(() => expect(snapshots.stats.saves).toBe(2), 120_000);
  expect(snapshots.stats.lastSaveSeconds).toBe(clock.wall);
  snapshots.use({ file: join(folder, 'no', 'folder'), intervalSeconds: 0 });
  await snapshots.end();
  expect(snapshots.stats.failures).toBe(1);
  expect(log.error).toHaveBeenCalledWith(
    expect.objectContaining({ file: join(folder, 'no', 'folder') }),
    expect.any(String),
  );
  expect(clock.pendingTimers).toBe(0);
});

test('a damaged snapshot is loaded up to the damage, and said', async () => {
  const file = join(folder, 'damaged');
  writeFileSync(file, Buffer.alloc(500));
  using cache = DnsCache.create({ memory: '1MiB' });
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  await snapshotsOf(cache, new FakeClock(), log).load({ file, intervalSeconds: 0 });
  expect(log.warn).toHaveBeenCalledWith({ file, reason: `${file}: it is no snapshot` }, 'no snapshot was loaded');
});

test('servers that name one file have one cache, before and after a restart', async () => {
  const file = join(folder, 'region');
  const options = { cache: { file, memory: '1MiB' } };
  const first = await TestServer.start(query => answerA(query, 300), options);
  const second = await TestServer.start(() => undefined, options);
  expect(rcodeOf((await first.ask('udp', makeQuery('a.example')))!)).toBe(0);
  expect(rcodeOf((await second.ask('udp', makeQuery('a.example')))!)).toBe(0);
  await first.close();
  await second.close();
  const third = await TestServer.start(() => undefined, options);
  expect(rcodeOf((await third.ask('udp', makeQuery('a.example')))!)).toBe(0);
  await expect(third.server.update({ cache: { file: undefined, memory: '1MiB' } })).resolves.toBeUndefined();
  await expect(third.server.update({ cache: { file: `${file}2` } })).rejects.toThrow('cache.file: cannot change');
  await third.close();
});

test('warm() and the option of that name ask ahead', async () => {
  const file = join(folder, 'names');
  writeFileSync(file, 'often.example\noften.example\nseldom.example MX\n');
  const server = await TestServer.start(query => answerA(query, 300), { warm: { file, top: 1, perSecond: 1000 } });
  await vi.waitFor(() => expect(server.server.engine.stats().entries).toBe(1), 120_000);
  expect(await server.server.warm(['b.example A'], { perSecond: 1000 })).toEqual({ total: 1, done: 1, failed: 0 });
  const { asked } = server;
  await server.ask('udp', makeQuery('b.example'));
  await server.ask('udp', makeQuery('often.example'));
  expect(server.asked).toBe(asked);
  await server.close();
  await expect(server.server.warm(['c.example A'])).rejects.toMatchObject({ code: 'ERR_SHARDNS_CLOSED' });
});

test('a logger that throws ends nothing', async () => {
  const fail = (): never => {
    throw new Error('the log is full');
  };
  const log = { debug: fail, info: fail, warn: fail, error: fail };
  const server = await createServer(
    { listen: ['127.0.0.1:0'], snapshot: { file: join(folder, 'told') }, warm: { file: join(folder, 'no names') } },
    { log },
  );
  await server.snapshots.save();
  expect(server.snapshots.stats.saves).toBe(1);
  await server.close();
});

describe('in storage that instances share', () => {
  let stub: S3Stub;
  beforeEach(async () => (stub = await S3Stub.start()));
  afterEach(() => stub.stop());
  const placeOf = (bucket = 'bucket'): S3PlaceOptions => {
    const { credentials: _, ...place } = stub.place(bucket) as S3PlaceOptions;
    return place;
  };
  const dependencies = () => ({ s3Credentials: stub.credentials });

  test('one server sends what another one starts with, at the end and again', async () => {
    const snapshot = { s3: placeOf(), intervalSeconds: 0 };
    const first = await TestServer.start(query => answerA(query, 300), { snapshot }, undefined, dependencies());
    await first.ask('udp', makeQuery('a.example'));
    await first.close();
    expect(first.server.snapshots.stats).toMatchObject({ sent: 1, sendFailures: 0, entries: 1 });
    const second = await TestServer.start(() => undefined, { snapshot }, undefined, dependencies());
    expect(rcodeOf((await second.ask('udp', makeQuery('a.example')))!)).toBe(0);
    expect(second.asked).toBe(0);
    await second.close();
    expect([...stub.objects.keys()].filter(key => key.includes('snapshots')).length).toBe(2);
  });

  test('the newest of all regions is loaded; of a file and storage the newer one is', async () => {
    const start = (snapshot: object): Promise<TestServer> =>
      TestServer.start(
        query => answerA(query, 300),
        { snapshot: { intervalSeconds: 0, ...snapshot } },
        undefined,
        dependencies(),
      );
    const far = await start({ s3: placeOf('far') });
    await far.ask('udp', makeQuery('far.example'));
    await far.close();
    const near = await start({ s3: { ...placeOf('near'), others: [placeOf('far')] } });
    expect(near.server.snapshots.stats.loaded).toBe(1);
    const file = join(folder, 'beside storage');
    await near.ask('udp', makeQuery('near.example'));
    await near.close();
    const both = await start({ file, s3: placeOf('near') });
    expect(both.server.snapshots.stats.loaded).toBe(2);
    await both.close();
    expect(existsSync(file)).toBe(true);
  });

  test('storage that is away costs a line of the log, and the server starts and ends', async () => {
    stub.faults = Array.from({ length: 100 }, () => ({ of: /./, fault: { status: 400 } }));
    const snapshot = { s3: placeOf(), intervalSeconds: 0 };
    const server = await TestServer.start(query => answerA(query, 300), { snapshot }, undefined, dependencies());
    expect(rcodeOf((await server.ask('udp', makeQuery('a.example')))!)).toBe(0);
    await server.close();
    expect(server.server.snapshots.stats).toMatchObject({ sent: 0, sendFailures: 1 });
  });

  test('one that is not its turn leaves it to another', async () => {
    using cache = DnsCache.create({ memory: '1MiB' });
    const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const snapshots = snapshotsOf(cache, new FakeClock(), log, { maySend: () => Promise.resolve(false) });
    snapshots.use({ s3: placeOf() as S3Options, intervalSeconds: 900 });
    await snapshots.end();
    expect(snapshots.stats).toMatchObject({ leftToOthers: 1, saves: 0, sent: 0 });
    expect(stub.requests).toEqual([]);
  });

  test('one that is sent at the end alone, as a warmer sends it, is sent whosever turn it is', async () => {
    const maySend = vi.fn(() => Promise.resolve(false));
    using cache = DnsCache.create({ memory: '1MiB' });
    const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const snapshots = snapshotsOf(cache, new FakeClock(), log, { maySend });
    snapshots.use({ s3: placeOf() as S3Options, intervalSeconds: 0 });
    await snapshots.end();
    // There is no storage here: it was tried.
    expect(snapshots.stats).toMatchObject({ leftToOthers: 0, saves: 1, sendFailures: 1 });
    expect(maySend).not.toHaveBeenCalled();
  });

  test('a place that is none is an error of the configuration', async () => {
    const start = (snapshot: object): Promise<unknown> => TestServer.start(() => undefined, { snapshot });
    await expect(start({ s3: { bucket: 'UPPER' } })).rejects.toThrow(
      'snapshot.s3.bucket: expected the name of a bucket',
    );
    await expect(start({ intervalSeconds: 5 })).rejects.toThrow('expected `file`, `s3` or both');
  });
});
