// Validation over real sockets: a small signed internet served by nsd, with broken zones of every kind in it, and the same
// questions to Unbound and Knot Resolver. SHARDNS_SIGNED_QUESTIONS says how many (3000), SHARDNS_SIGNED_SEED which.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const QUESTIONS = Number(process.env.SHARDNS_SIGNED_QUESTIONS ?? 3000);
const SEED = process.env.SHARDNS_SIGNED_SEED;
const missing = ['nsd', 'nsd-control', 'unbound', 'kresd', 'ip', 'unshare'].filter(
  tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);
// Its name servers listen on port 53 of addresses that the machine is given for the time.
if (process.getuid?.() !== 0) missing.push('the rights of root');
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`missing: ${missing.join(', ')}`);
  console.warn(`missing: ${missing.join(', ')}: the end-to-end tests of validation are skipped`);
}

interface Outcome {
  rcode: string;
  ad: boolean;
  answer: string[];
}
interface Difference {
  other: 'unbound' | 'knot';
  name: string;
  type: string;
  flags: { dnssecOk?: boolean; checkingDisabled?: boolean; authenticData?: boolean };
  kind: string;
  /** The broken zone that is asked for. */
  broken?: string;
  ours: Outcome;
  theirs: Outcome;
  /** The third says what shardns says. */
  agrees: boolean;
}
interface Compared {
  count: number;
  secure: number;
  failed: number;
  broken: Record<string, string>;
  differences: Difference[];
}

/** Of these kinds of broken zones, asked for by their own names or as what an alias leads to. */
const isOf = ({ broken, ours, theirs }: Difference, ...kinds: string[]): boolean => {
  const text = [broken ?? '', ...ours.answer, ...theirs.answer].join('\n');
  return kinds.some(kind => new RegExp(`(^|[ .])${kind}\\.broken\\.`, 'm').test(text));
};
const isSameButAd = ({ ours, theirs }: Difference): boolean =>
  ours.rcode === theirs.rcode && ours.answer.join('\n') === theirs.answer.join('\n');

/** Why another server may say something else: one row a reason. */
const REASONS: readonly { other: Difference['other']; why: string; when: (difference: Difference) => boolean }[] = [
  {
    other: 'unbound',
    why: 'validates for those who disable checking too; shardns does not, and AD is for what was verified (RFC 4035 section 3.2.3)',
    when: one => one.flags.checkingDisabled === true && isSameButAd(one) && one.theirs.ad && !one.ours.ad,
  },
  {
    other: 'unbound',
    why: 'ANY: all that it has; shardns gives one RRset (RFC 8482 section 4.1)',
    when: one => one.type === 'ANY' && one.ours.rcode === one.theirs.rcode,
  },
  {
    other: 'knot',
    why: 'ANY: is not resolved; shardns gives one RRset (RFC 8482 section 4.1)',
    when: one => one.type === 'ANY',
  },
  ...(['unbound', 'knot'] as const).map(other => ({
    other,
    why: 'believes RSASHA1: RFC 9905 section 2 has it treated as unsupported',
    when: (one: Difference) => isOf(one, 'rsa-sha1') && isSameButAd(one) && one.theirs.ad,
  })),
  {
    other: 'unbound',
    why: 'believes 150 iterations of NSEC3, shardns 50 (RFC 9276 section 3.2)',
    when: one => isOf(one, 'nsec3-iterations-100') && isSameButAd(one) && one.theirs.ad,
  },
  {
    other: 'knot',
    why: 'holds a zone of too many iterations to be insecure as a whole, shardns its denials (RFC 9276 section 3.2)',
    when: one =>
      isOf(one, 'nsec3-iterations-100', 'nsec3-iterations-2500') && isSameButAd(one) && one.ours.ad && !one.theirs.ad,
  },
  {
    other: 'unbound',
    why: 'believes a SHA-1 digest beside a SHA-256 one that fits no key: RFC 4509 section 3 has it ignored',
    when: one => isOf(one, 'ds-sha1-beside-wrong-sha256') && one.ours.rcode === 'SERVFAIL',
  },
  {
    other: 'unbound',
    why: 'believes a revoked key: RFC 5011 section 2.1 lets it sign nothing but its own RRset',
    when: one => isOf(one, 'key-revoked') && one.ours.rcode === 'SERVFAIL',
  },
  {
    other: 'unbound',
    why: 'gives the rcode of what a CNAME leads to those who asked for the CNAME: RFC 1034 section 4.3.2 ends there',
    when: one => one.type === 'CNAME' && one.ours.rcode === 'NOERROR' && one.theirs.rcode === 'NXDOMAIN',
  },
  {
    other: 'knot',
    why: 'believes NSEC3 records with unknown flags: RFC 5155 section 8.2 has them ignored',
    when: one => isOf(one, 'nsec3-flag-unknown') && one.ours.rcode === 'SERVFAIL',
  },
  {
    other: 'knot',
    why: 'believes an NSEC record whose next name is outside of its zone (RFC 4034 section 4.1.1)',
    when: one => isOf(one, 'nsec-of-another-zone') && one.ours.rcode === 'SERVFAIL',
  },
  {
    other: 'knot',
    why: 'has no DNSKEY denied by a zone that has DS records, once it was asked before (RFC 4035 section 5.2)',
    when: one => isOf(one, 'no-dnskey') && one.type === 'DNSKEY' && one.ours.rcode === 'SERVFAIL',
  },
  {
    other: 'knot',
    why: 'drops signatures of too many labels, also for those who disable checking (RFC 4035 section 3.2.2)',
    when: one =>
      isOf(one, 'labels-too-many') &&
      one.flags.checkingDisabled === true &&
      one.theirs.answer.every(record => one.ours.answer.includes(record)),
  },
  {
    other: 'knot',
    why: 'leaves out the DNAME of an unsigned zone where its target does not exist (RFC 6672 section 3.2)',
    when: one => one.ours.rcode === 'NXDOMAIN' && one.theirs.rcode === 'NXDOMAIN' && one.theirs.answer.length === 0,
  },
  ...(['unbound', 'knot'] as const).map(other => ({
    other,
    why: 'has asked another of two servers with other signatures, for who disables checking (RFC 4035 section 3.2.2)',
    when: (one: Difference) => {
      const rest = (outcome: Outcome): string => outcome.answer.filter(record => !/ RRSIG /.test(record)).join('\n');
      return (
        isOf(one, 'one-server-expired') && one.flags.checkingDisabled === true && rest(one.ours) === rest(one.theirs)
      );
    },
  })),
  ...(['unbound', 'knot'] as const).map(other => ({
    other,
    why: 'fails where the third answers as shardns does (nothing in RFC 4035 section 5 asks for that)',
    when: (one: Difference) => one.theirs.rcode === 'SERVFAIL' && one.agrees,
  })),
];

/** What an answer and a name that does not exist come to in a zone of each kind. */
const VERDICTS: Readonly<Record<string, readonly string[]>> = {
  'bogus bogus': [
    ...['expired', 'early', 'unsigned', 'no-dnskey', 'dnskey-unsigned', 'dnskey-by-zsk', 'ds-of-another-key'],
    ...['ds-digest-wrong', 'ds-unsigned', 'ds-signature-wrong', 'no-ds-no-proof', 'ds-sha1-beside-wrong-sha256'],
    ...['key-revoked', 'key-without-zone-flag', 'key-of-another-protocol'],
  ],
  'bogus secure': [
    ...['answer-unsigned', 'answer-expired', 'answer-backwards', 'signer-wrong', 'data-changed', 'labels-too-many'],
    ...['labels-too-few', 'labels-as-of-a-wildcard', 'original-ttl-changed', 'signature-wrong', 'signature-short'],
    'signature-of-another-algorithm',
  ],
  'secure bogus': [
    ...['no-nsec', 'nsec-unsigned', 'nsec-signature-wrong', 'nsec-of-another-zone', 'nsec3-flag-unknown'],
    'soa-signature-wrong',
  ],
  'secure insecure': ['nsec3-iterations-2500', 'nsec3-iterations-100'],
  'insecure insecure': ['algorithm-unknown', 'digest-unknown', 'rsa-sha1'],
  // Wrong elsewhere, or not at all.
  'secure secure': [
    ...['half-the-nsecs', 'wildcard-without-proof', 'ns-unsigned', 'cname-changed', 'dname-changed'],
    ...[
      'good-beside-expired',
      'good-beside-wrong',
      'one-server-expired',
      'ds-good-beside-others',
      'keys-of-one-tag',
      'key-and-zone-key',
    ],
    'rsa-1024',
  ],
};
/** Where NSEC3 makes it another case: one record for the name, or for all of it, is missing or is not. */
const WITH_NSEC3: Readonly<Record<string, string>> = {
  'no-ds-no-proof': 'insecure insecure',
  'half-the-nsecs': 'secure bogus',
  'nsec-of-another-zone': 'secure secure',
  'wildcard-without-proof': 'secure bogus',
};

describe.skipIf(missing.length > 0)('validation over real servers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shardns-dnssec-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const resultOf = async (script: string, count: number): Promise<unknown> => {
    const file = join(folder, `${script}.json`);
    const args = [`bench/internet/${script}.mjs`, String(count), '--json', file];
    if (SEED !== undefined && script === 'signed-compare') args.push('--seed', SEED);
    await run(process.execPath, args, { timeout: 590_000 });
    return JSON.parse(readFileSync(file, 'utf8'));
  };

  describe('the same questions as to Unbound and Knot Resolver', () => {
    let compared: Compared;
    beforeAll(async () => {
      compared = (await resultOf('signed-compare', QUESTIONS)) as Compared;
    }, 600_000);

    test('have the same rcode, AD and answer, but for what has a reason', () => {
      expect(compared.count).toBe(QUESTIONS);
      const unexplained: Difference[] = [];
      const counts = new Map<string, number>();
      for (const one of compared.differences) {
        const reason = REASONS.find(({ other, when }) => other === one.other && when(one));
        if (reason === undefined) unexplained.push(one);
        else {
          const key = `${reason.other} ${reason.why}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      }
      for (const [why, count] of [...counts].sort(([, a], [, b]) => b - a)) console.info(`${count} ${why}`);
      expect(unexplained).toEqual([]);
      expect(compared.secure).toBeGreaterThan(0.3 * QUESTIONS);
      expect(compared.failed).toBeGreaterThan(0.08 * QUESTIONS);
    });

    test('zones that are broken are bogus in what is broken of them, and in nothing else', () => {
      const expected: Record<string, string> = {};
      for (const [verdicts, kinds] of Object.entries(VERDICTS)) {
        for (const kind of kinds) {
          for (const parent of ['broken.net', 'broken.org']) {
            const here = (parent === 'broken.org' ? WITH_NSEC3[kind] : undefined) ?? verdicts;
            const [answer, absence] = here.split(' ');
            expected[`www.${kind}.${parent}`] = answer;
            expected[`no-such.${kind}.${parent}`] = absence;
          }
        }
      }
      expect(compared.broken).toEqual(expected);
    });
  });

  test('ten thousand random names below a signed zone hardly reach its servers, and hits of what was validated are native', async () => {
    const { floods, hits } = (await resultOf('signed-known', 10_000)) as {
      floods: Record<string, { names: number; secureNxdomain: number; queries: number }>;
      hits: { questions: number; secure: number; nativeHits: number; slow: number; upstream: number; wrong: unknown[] };
    };
    for (const denial of ['nsec', 'nsec3']) {
      expect(floods[denial].secureNxdomain).toBe(floods[denial].names);
      expect(floods[denial].queries).toBeLessThan(0.05 * floods[denial].names);
    }
    expect(hits).toMatchObject({ slow: 0, upstream: 0, wrong: [] });
    expect(hits.nativeHits).toBeGreaterThanOrEqual(hits.questions);
    expect(hits.secure).toBeGreaterThan(0.4 * hits.questions);
  }, 600_000);
});
