// Real answers recorded from a recursive server, judged as other validators judge them; read from outside.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Budget, TrustAnchors, validate, type Validation, ZoneKeys } from '../../../lib/dnssec/index.js';
import type { Fetched } from '../../../lib/dnssec/steps.js';
import { Rcode, typeCode } from '../../../lib/wire/iana.js';
import { encodeName, foldName, nameToText } from '../../../lib/wire/name.js';
import { groupRrsets } from '../../../lib/wire/rrset.js';
import { recordOf } from '../../support/entries.js';
import { vectorsFolder } from '../../support/vectors.js';

interface Recorded {
  question: [string, string];
  rcode: keyof typeof Rcode;
  answer?: string[];
  authority?: string[];
}
interface Capture {
  id: string;
  date: string;
  query: [string, string];
  expect: { rcode: string; ad: boolean; ede: string | null };
  upstream: Recorded[];
  unbound: string;
}
const folder = vectorsFolder('dnssec');
const lines =
  folder === undefined ? [] : readFileSync(join(folder, 'dnssec/dnsjava-captures.jsonl'), 'utf8').trim().split('\n');
const anchors = folder === undefined ? [] : (JSON.parse(lines[0]) as { trust_anchors: string[] }).trust_anchors;
const captures = lines.slice(1).map(line => JSON.parse(line) as Capture);

const fetched = ({ rcode, answer = [], authority = [] }: Recorded): Fetched => ({
  rcode: Rcode[rcode],
  answer: groupRrsets(answer.map(recordOf)),
  authority: groupRrsets(authority.map(recordOf)),
});
const keyOf = (name: string, type: string): string => `${name.toLowerCase()} ${type}`;

describe.skipIf(folder === undefined)('recorded answers', () => {
  test.each(captures.filter(one => one.unbound === 'same verdict'))('$id', capture => {
    const byQuestion = new Map(capture.upstream.map(one => [keyOf(...one.question), one]));
    const [name, type] = capture.query;
    const response = byQuestion.get(keyOf(name, type))!;
    const verdict = validate({ name: foldName(encodeName(name)), type: typeCode(type)! }, fetched(response), {
      now: Date.parse(capture.date) / 1000,
      budget: new Budget({ units: 10_000 }),
      policy: { sha1: true, nsec3Iterations: 150 },
      anchors: new TrustAnchors(anchors),
      zones: new ZoneKeys(),
      fetchRecords: (wanted, code) => {
        const found = byQuestion.get(keyOf(nameToText(wanted), code === 43 ? 'DS' : 'DNSKEY'));
        return found && fetched(found);
      },
    }) as Validation;
    const { rcode, ad } = capture.expect;
    const fails = verdict.status === 'bogus' || verdict.unfetched === true;
    const got = { rcode: fails ? 'SERVFAIL' : response.rcode, ad: verdict.status === 'secure' };
    expect({ ...got, why: verdict.reason }).toEqual({ rcode, ad, why: verdict.reason });
  });
});
