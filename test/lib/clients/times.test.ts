// Hours of the week in which a list holds.
import { describe, expect, test } from 'vitest';
import { holdsAt, type Hours, hoursText, LocalTime, minutesOf } from '../../../lib/clients/times.js';

const evening: Hours = { days: [], from: '21:00', to: '07:00' };
const at = (text: string): { day: number; minutes: number } => {
  const [day, time] = text.split(' ');
  return { day: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].indexOf(day), minutes: minutesOf(time)! };
};

describe('hours', () => {
  test('hold from their beginning to their end, over midnight too', () => {
    const holds = (text: string): boolean => holdsAt([evening], at(text));
    expect(holds('mon 20:59')).toBe(false);
    expect(holds('mon 21:00')).toBe(true);
    expect(holds('tue 06:59')).toBe(true);
    expect(holds('tue 07:00')).toBe(false);
  });

  test('are of the day on which they begin', () => {
    const school: Hours = { ...evening, days: ['sun', 'mon'] };
    const holds = (text: string): boolean => holdsAt([school], at(text));
    expect(holds('sun 22:00')).toBe(true);
    expect(holds('mon 03:00')).toBe(true);
    expect(holds('tue 03:00')).toBe(true);
    expect(holds('tue 22:00')).toBe(false);
    expect(holds('sun 03:00')).toBe(false);
  });

  test('may be several, or end with the day; none are always', () => {
    const two: Hours[] = [
      { days: ['sat'], from: '00:00', to: '24:00' },
      { days: ['mon'], from: '08:00', to: '09:00' },
    ];
    expect(holdsAt(two, at('sat 00:00'))).toBe(true);
    expect(holdsAt(two, at('sat 23:59'))).toBe(true);
    expect(holdsAt(two, at('sun 00:00'))).toBe(false);
    expect(holdsAt(two, at('mon 08:30'))).toBe(true);
    expect(holdsAt([], at('wed 12:00'))).toBe(true);
    expect(hoursText(two)).toBe('sat 00:00 to 24:00; mon 08:00 to 09:00');
  });
});

test('what is no time of a day is none', () => {
  expect(['21:00', '00:00', '24:00'].map(minutesOf)).toEqual([1260, 0, 1440]);
  expect(['24:01', '25:00', '9:00', '21:60', '21', '', '21:00:00'].map(minutesOf)).toEqual(Array(7).fill(undefined));
});

test('clocks of a time zone show what they show, in summer and in winter', () => {
  const berlin = new LocalTime('Europe/Berlin');
  expect(berlin.at(Date.parse('2026-07-01T19:00:00Z') / 1000)).toEqual({ day: 2, minutes: 21 * 60 });
  expect(berlin.at(Date.parse('2026-12-01T20:00:00Z') / 1000)).toEqual({ day: 1, minutes: 21 * 60 });
  expect(new LocalTime('UTC').at(Date.parse('2026-03-01T00:00:00Z') / 1000)).toEqual({ day: 6, minutes: 0 });
});
