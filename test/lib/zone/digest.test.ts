// Digests that are made of zones (RFC 8976).
import { expect, test } from 'vitest';
import { verifyZonemd } from '../../../lib/dnssec/zonemd.js';
import { withDigest } from '../../../lib/zone/digest.js';
import { record, smallZone } from '../../support/zone-records.js';

test('a zone has one digest afterwards, which is right, whatever it had before', () => {
  const wrong = record('example', 'ZONEMD', `1 1 1 ${'00'.repeat(48)}`);
  for (const zone of [smallZone(7), smallZone(7, wrong), withDigest(smallZone(7))]) {
    const made = withDigest(zone);
    expect(verifyZonemd(made.apex, made.records())).toEqual({ status: 'verified', reason: '' });
    expect(made.recordCount).toBe(smallZone(7).recordCount + 1);
  }
});
