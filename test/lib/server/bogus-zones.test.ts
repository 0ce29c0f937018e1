// Zones that are bogus as a whole: told, and told of no more often than an operator can read.
import { expect, test } from 'vitest';
import { BogusZones } from '../../../lib/server/bogus-zones.js';
import { FakeClock } from '../../support/fake-clock.js';

const BROKEN = { reason: 'DNSKEY: no signatures', extendedError: 10, isAnchored: false };

function made(): { zones: BogusZones; clock: FakeClock; lines: string[] } {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map(level => [
      level,
      (fields: { zone: string }) => lines.push(`${level} ${fields.zone}`),
    ]),
  ) as never;
  return { zones: new BogusZones({ clock, log }), clock, lines };
}

test('a bogus zone is told once an hour, one with a trust anchor as an error', async () => {
  const { zones, clock, lines } = made();
  for (let minute = 0; minute < 61; minute++) {
    zones.tell({ ...BROKEN, zone: 'shop.' });
    zones.tell({ ...BROKEN, zone: '.', isAnchored: true });
    await clock.advance(60_000);
  }
  expect(lines).toEqual(['warn shop.', 'error .', 'warn shop.', 'error .']);
});

test('many bogus zones are five lines a minute, and hide none that has a trust anchor', () => {
  const { zones, lines } = made();
  for (let i = 0; i < 1000; i++) zones.tell({ ...BROKEN, zone: `z${i}.` });
  zones.tell({ ...BROKEN, zone: '.', isAnchored: true });
  expect(lines).toEqual(['warn z0.', 'warn z1.', 'warn z2.', 'warn z3.', 'warn z4.', 'error .']);
});
