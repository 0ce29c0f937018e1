import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeName, foldName } from '../../../lib/wire/name.js';
import { ZoneBuilder } from '../../../lib/zone/zone-builder.js';
import { readZoneFile } from '../../../lib/zone/zone-file.js';
import { Zone } from '../../../lib/zone/zone.js';
import { vectorsFolder } from '../../support/vectors.js';
import { ask, differences, type ExpectedAnswer, linesOf } from '../../support/zone-cases.js';

const folder = vectorsFolder('auth');
const withVectors = test.skipIf(folder === undefined);

/** Without the checks that servers do before they serve one. */
function zoneOf(text: string | Buffer, apex: Uint8Array): Zone {
  const builder = new ZoneBuilder(apex);
  const octets = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1');
  readZoneFile(octets, { file: 'zone', origin: apex }, (name, end, type, ttl, data, size) => {
    builder.addOctets(name, 0, end, type, ttl, data, 0, size);
    return undefined;
  });
  return new Zone(apex, builder.build());
}

interface FerretCase {
  id: string;
  tag: string;
  zone: string;
  query: [string, string];
  expected: { servers: string[]; response: ExpectedAnswer }[];
  unanimous: boolean;
}

/** Thousands of cases, on a machine that may be busy. */
const PATIENT = { timeout: 300_000 };

describe('answers of zones, beside those of other servers', () => {
  withVectors('are what four servers say alike of generated zones (Ferret)', PATIENT, () => {
    const cases = linesOf(join(folder!, 'auth/ferret-valid.jsonl')) as FerretCase[];
    const failed: string[] = [];
    let split = 0;
    for (const { id, tag, zone: text, query, expected, unanimous } of cases) {
      const apex = text.slice(0, text.indexOf(' ')).toLowerCase();
      const zone = zoneOf(text, foldName(encodeName(apex)));
      const told = ask([zone], query[0], query[1]);
      const all = expected.map(({ response }) => differences(told, response, apex));
      if (all.some(one => one.length === 0)) continue;
      if (unanimous) failed.push(`${id} ${tag} ${query.join(' ')}\n   ${all[0].join('\n   ')}\n${text}`);
      else split++;
    }
    const unanimous = cases.filter(one => one.unanimous).length;
    console.log(
      `Ferret: ${unanimous - failed.length} of ${unanimous}; split ${cases.length - unanimous}, unlike all ${split}`,
    );
    if (process.env.SHOW_CASES) console.log(failed.slice(0, Number(process.env.SHOW_CASES)).join('\n'));
    expect(failed.length).toBeLessThanOrEqual(unanimous * 0.001);
  });

  withVectors('are what BIND, NSD and Knot say alike of signed zones', PATIENT, () => {
    interface ThreeCase {
      zone: string;
      origin: string;
      query: [string, string];
      do: boolean;
      expect: ExpectedAnswer;
    }
    const cases = linesOf(join(folder!, 'auth/three-servers.jsonl')) as ThreeCase[];
    const zones = new Map<string, Zone>();
    const failed: string[] = [];
    for (const one of cases) {
      const key = `${one.zone} ${one.origin}`;
      let zone = zones.get(key);
      if (zone === undefined) {
        const text = readFileSync(join(folder!, 'auth/served-zones', one.zone));
        zones.set(key, (zone = zoneOf(text, foldName(encodeName(one.origin)))));
      }
      const told = ask([zone], one.query[0], one.query[1], one.do);
      const found = differences(told, one.expect, one.origin.toLowerCase());
      if (found.length > 0)
        failed.push(`${one.zone} ${one.query.join(' ')} ${one.do ? 'DO' : ''}\n   ${found.join('\n   ')}`);
    }
    console.log(`three servers: ${cases.length - failed.length} of ${cases.length}`);
    if (process.env.SHOW_CASES) console.log(failed.slice(0, Number(process.env.SHOW_CASES)).join('\n'));
    expect(failed.length).toBeLessThanOrEqual(cases.length * 0.001);
  });
});
