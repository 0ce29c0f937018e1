import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ShardnsError } from '../../../lib/base/errors.js';
import { encodeName, foldName } from '../../../lib/wire/name.js';
import { loadZoneFile } from '../../../lib/zone/load-zone.js';
import { problemText, readZoneFile } from '../../../lib/zone/zone-file.js';
import { vectorsFolder } from '../../support/vectors.js';

const folder = vectorsFolder('zones');
const withVectors = test.skipIf(folder === undefined);
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex').toUpperCase();
const show = (failed: string[]): void => {
  if (process.env.SHOW_CASES) console.log(failed.slice(0, Number(process.env.SHOW_CASES)).join('\n'));
};

/** What the scanner of Knot DNS writes of a file: records, and each thing that is wrong in its place. */
function scanned(path: string): string[] {
  const lines: { at: number; text: string }[] = [];
  const include = (name: string, from: string): { octets: Uint8Array; file: string } => {
    const file = resolve(dirname(from), name);
    if (!existsSync(file)) throw new ShardnsError('ERR_SHARDNS_FILE', `${file}: not there`);
    return { octets: readFileSync(file), file };
  };
  let at = 0;
  const { problems } = readZoneFile(
    readFileSync(path),
    { file: path, origin: Uint8Array.of(0), ttl: 0, include },
    (name, length, type, ttl, data, size) => {
      const type4 = type.toString(16).padStart(4, '0').toUpperCase();
      const ttl8 = ttl.toString(16).padStart(8, '0').toUpperCase();
      const rdata = hex(data.subarray(0, size));
      lines.push({ at: at++, text: `${hex(name.subarray(0, length))} ${ttl8} ${type4} ${rdata}` });
      return undefined;
    },
  );
  return [...lines.map(one => one.text), ...problems.filter(one => one.severity === 'error').map(() => 'WRONG')].sort();
}

function expectedOf(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('------')
    .map(block => block.trim())
    .filter(block => block !== '')
    .map(block => {
      const field = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
      if (/^(WARNG|ERROR)=/m.test(block)) return 'WRONG';
      return `${field('OWNER')} ${field('RRTTL')} ${field('RTYPE')} ${field('RDATA')}`;
    })
    .sort();
}

describe('zone files of others', () => {
  withVectors('are read as the scanner of Knot DNS reads them', () => {
    const scanner = join(folder!, 'zones/knot-zscanner');
    const failed: string[] = [];
    let same = 0;
    let all = 0;
    for (const file of readdirSync(scanner).filter(name => name.endsWith('.in'))) {
      const told = scanned(join(scanner, file));
      const expected = expectedOf(join(scanner, file.replace(/in$/, 'out')));
      const rest = [...told];
      for (const one of expected) {
        all++;
        const i = rest.indexOf(one);
        if (i >= 0) {
          rest.splice(i, 1);
          same++;
        } else failed.push(`${file}: expected ${one}`);
      }
      for (const one of rest) failed.push(`${file}: told ${one}`);
    }
    console.log(`records and errors of Knot's scanner: ${same} of ${all}`);
    show(failed);
    // The rest are words of policy: characters in names, blanks inside base 64, base 32 without padding (as RFC 5155
    // section 3.3 has it), origins that are relative, parentheses inside others, types of drafts, CAA with an empty tag
    // (against RFC 8659 section 4.1).
    expect(same).toBeGreaterThanOrEqual(555);
  });

  withVectors('are refused and taken as BIND does', () => {
    const zones = join(folder!, 'zones/bind9-checkzone');
    const failed: string[] = [];
    const files = readdirSync(zones).filter(name => /^(bad|good|nowarn|warn)/.test(name));
    for (const file of files) {
      const isExample = /^example\.\s/m.test(readFileSync(join(zones, file), 'latin1'));
      const apex = foldName(encodeName(isExample ? 'example' : 'test'));
      const { zone, problems } = loadZoneFile(join(zones, file), { apex });
      if ((zone === undefined) !== file.startsWith('bad')) {
        failed.push(
          `${file}: ${zone === undefined ? 'refused' : 'taken'} ${problems.map(problemText).join('; ').slice(0, 300)}`,
        );
      }
    }
    console.log(`zones refused and taken as BIND does: ${files.length - failed.length} of ${files.length}`);
    show(failed);
    // Not refused: SVCB below _dns without what RFC 9461 wants, and names of response policy zones. Refused: a file that
    // includes one that is not there.
    expect(failed.length).toBeLessThanOrEqual(6);
  });
});
