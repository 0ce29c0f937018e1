import { beforeEach, describe, expect, test } from 'vitest';
import { Breaker, BREAKER_LIMITS } from '../../../lib/base/breaker.js';
import { FakeClock } from '../../support/fake-clock.js';

const random = { uint32: () => 0xffff_ffff };

describe('a breaker', () => {
  let clock: FakeClock;
  let breaker: Breaker;
  beforeEach(() => {
    clock = new FakeClock();
    breaker = new Breaker(clock, random);
  });
  const fail = (times: number): void => {
    for (let i = 0; i < times; i++) breaker.failed();
  };

  test('lets every call through while they succeed', () => {
    for (let i = 0; i < 100; i++) {
      expect(breaker.take()).toBe(true);
      breaker.succeeded();
    }
    expect(breaker.state).toBe('closed');
  });
  test('opens when five fail one after another', () => {
    fail(4);
    expect(breaker.take()).toBe(true);
    fail(1);
    expect(breaker.state).toBe('open');
    expect(breaker.take()).toBe(false);
    expect(breaker.opened).toBe(1);
  });
  test('opens when half of twenty and more calls fail within ten seconds', () => {
    for (let i = 0; i < 9; i++) {
      breaker.succeeded();
      breaker.failed();
    }
    expect(breaker.state).toBe('closed');
    breaker.succeeded();
    breaker.failed();
    expect(breaker.state).toBe('open');
  });
  test('forgets failures of more than ten seconds ago', async () => {
    for (let i = 0; i < 9; i++) {
      breaker.succeeded();
      breaker.failed();
    }
    await clock.advance(11_000);
    for (let i = 0; i < 10; i++) breaker.succeeded();
    breaker.failed();
    expect(breaker.state).toBe('closed');
  });
  test('lets one probe through when its time is over, and closes after three that succeed', async () => {
    fail(5);
    await clock.advance(BREAKER_LIMITS.openMs + 1);
    for (let i = 0; i < BREAKER_LIMITS.probes; i++) {
      expect(breaker.state).toBe('half-open');
      expect(breaker.take()).toBe(true);
      expect(breaker.take()).toBe(false);
      breaker.succeeded();
    }
    expect(breaker.state).toBe('closed');
    expect(breaker.take()).toBe(true);
    expect(breaker.take()).toBe(true);
  });
  test('stays open twice as long after each probe that fails, thirty seconds at the most', async () => {
    fail(5);
    let wait = 1000;
    for (const next of [2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      await clock.advance(wait);
      expect(breaker.take()).toBe(true);
      breaker.failed();
      expect(breaker.take()).toBe(false);
      await clock.advance(next - 1);
      expect(breaker.take()).toBe(false);
      wait = 1;
    }
  });
  test('lets another probe through where one never comes back', async () => {
    fail(5);
    await clock.advance(1000);
    expect(breaker.take()).toBe(true);
    await clock.advance(999);
    expect(breaker.take()).toBe(false);
    await clock.advance(1);
    expect(breaker.take()).toBe(true);
  });
});
