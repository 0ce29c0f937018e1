// What a server did lately: counters by the second, the ten seconds and the five minutes, on a clock that is ours.
import { describe, expect, test } from 'vitest';
import { FIELDS, History, percentile, type Sample } from '../../../lib/admin/history.js';
import type { ServerReport } from '../../../lib/server/report.js';
import { FakeClock } from '../../support/fake-clock.js';

class FakeServer {
  readonly clock = new FakeClock();
  hits = 0;
  failing = false;
  readonly errors: unknown[] = [];
  readonly history = new History(() => this.report(), this.clock, {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: fields => void this.errors.push(fields),
  });

  report(): ServerReport {
    if (this.failing) throw new Error('closed');
    return {
      takenAtMs: this.clock.wallSeconds() * 1000,
      requests: [{ protocol: 'udp', family: 4, byType: { A: this.hits } }],
      responses: { NOERROR: this.hits },
      durations: { counts: [0, this.hits, 0] },
      cache: {
        ...{ hitsPositive: this.hits, hitsNegative: 0, hitsFailure: 0, hitsStale: 0, misses: 0, staleAfterMiss: 0 },
        ...{ evictionsSmall: 0, evictionsMain: 0, evictionsNegative: 0, evictionsIndex: 0, entries: 7, liveBytes: 9 },
      },
      edge: { actions: { refuse: 0, drop: 0 } },
      udp: { refused: 0, dropped: 0 },
      upstreams: [],
      resolver: { inFlight: 2 },
      process: { residentBytes: 11 },
    } as unknown as ServerReport;
  }
  /** Seconds with so many hits each. */
  async pass(seconds: number, hits: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.hits += hits;
      this.clock.wall++;
      await this.clock.advance(1000);
    }
  }
}

describe('the history of a server', () => {
  test('holds what came in each second, not totals', async () => {
    const server = new FakeServer();
    server.hits = 1000;
    server.history.begin();
    await server.pass(2, 5);
    const { stepSeconds, samples } = server.history.last(60);
    expect(stepSeconds).toBe(1);
    expect(samples.map(({ hits, queries, entries, p50Us }) => [hits, queries, entries, p50Us])).toEqual([
      [5, 5, 7, 2],
      [5, 5, 7, 2],
    ]);
  });
  test('keeps longer times more coarsely, and no more than its rings hold', async () => {
    const server = new FakeServer();
    server.history.begin();
    await server.pass(1000, 1);
    expect(server.history.last(900).samples).toHaveLength(900);
    const coarse = server.history.last(3600);
    expect([coarse.stepSeconds, coarse.samples.length, coarse.samples[0].hits]).toEqual([10, 100, 10]);
    const week = server.history.last(691_200);
    expect([week.stepSeconds, week.samples.length, week.samples[0].hits]).toEqual([300, 3, 300]);
  });
  test('tells of each second as it comes, until nobody listens', async () => {
    const server = new FakeServer();
    server.history.begin();
    const heard: Sample[] = [];
    const stop = server.history.onSample(sample => heard.push(sample));
    await server.pass(2, 3);
    stop();
    await server.pass(2, 3);
    expect(heard.map(one => one.hits)).toEqual([3, 3]);
    expect(Object.keys(heard[0])).toEqual(['atMs', ...FIELDS]);
  });
  test('goes on after a sample that could not be taken', async () => {
    const server = new FakeServer();
    server.history.begin();
    server.failing = true;
    await server.pass(1, 4);
    server.failing = false;
    await server.pass(1, 4);
    expect(server.errors).toHaveLength(1);
    expect(server.history.latest?.hits).toBe(8);
  });
  test('a counter that fell was begun anew, and is no number below zero', async () => {
    const server = new FakeServer();
    server.hits = 100;
    server.history.begin();
    server.hits = 0;
    await server.pass(1, 1);
    expect(server.history.latest?.hits).toBe(0);
  });
});

test.each([
  [[0, 0, 0], 0.5, 0],
  [[10, 0, 0], 0.5, 1],
  [[5, 4, 1], 0.99, 4],
  [[99, 0, 1], 0.99, 1],
])('of %j, %d took less than %d microseconds', (counts, share, expected) => {
  expect(percentile(counts, share)).toBe(expected);
});
