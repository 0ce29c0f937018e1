// Signatures and digests that other validators agree on; their files are read from outside.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Budget, digestKey, parseDs, parseKey, verifyRrset } from '../../../lib/dnssec/index.js';
import { sameOctets } from '../../../lib/base/octets.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, foldName, nameToText } from '../../../lib/wire/name.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import { hashName } from '../../../lib/dnssec/nsec3.js';
import { readEntries } from '../../support/entries.js';
import { vectorsFolder } from '../../support/vectors.js';

const folder = vectorsFolder('dnssec');
interface Case {
  file: string;
  kind: string;
  at: string;
}
const cases = (kind: string): Case[] =>
  folder === undefined
    ? []
    : (JSON.parse(readFileSync(join(folder, 'dnssec/MANIFEST.json'), 'utf8')) as Case[]).filter(c => c.kind === kind);
const secondsOf = (at: string): number =>
  Date.parse(at.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z')) / 1000;

describe.skipIf(folder === undefined)('signatures of other signers', () => {
  test.each(cases('rrsig'))('$file', ({ file, at }) => {
    const [first, ...others] = readEntries(join(folder!, 'dnssec', file));
    const dnskey = first.rrsets[0];
    const keys = dnskey.data.map(parseKey).filter(key => key !== undefined);
    for (const { question, rrsets } of others) {
      for (const rrset of rrsets) {
        if (rrset.signatures.length === 0) continue;
        const judging = { now: secondsOf(at), budget: new Budget(), policy: { legacy: true } };
        const revoked = rrset.type === Type.DNSKEY && rrset.name.length === dnskey.name.length;
        // Their "bogus" wants every signature to be good, ours is bogus when none is (RFC 6840 section 5.4).
        const verdict = rrset.signatures
          .map(one =>
            verifyRrset({ ...rrset, signatures: [one] }, dnskey.name, keys, judging, revoked ? () => true : undefined),
          )
          .reduce((a, b) => (a.status === 'bogus' ? a : b));
        const bad = [question, nameToText(rrset.name)].some(name => /^bogus/i.test(name));
        expect([nameToText(rrset.name), rrset.type, verdict.reason, verdict.status === 'secure']).toEqual([
          nameToText(rrset.name),
          rrset.type,
          bad ? verdict.reason : '',
          !bad,
        ]);
      }
    }
  });
  test.each(cases('ds'))('$file', ({ file }) => {
    for (const { question, rrsets } of readEntries(join(folder!, 'dnssec', file))) {
      const ds = parseDs(rrsets.find(rrset => rrset.type === Type.DS)!.data[0])!;
      const key = rrsets.find(rrset => rrset.type === Type.DNSKEY)!;
      const digest = digestKey(key.name, key.data[0], ds.digestType);
      const same = parseKey(key.data[0])!.tag === ds.tag && sameOctets(digest!, ds.digest);
      expect([question, same]).toEqual([question, question.startsWith('yes')]);
    }
  });
});

describe.skipIf(folder === undefined)('NSEC3 hashes of other signers', () => {
  test('are ours', () => {
    const lines = readFileSync(join(folder!, 'dnssec/nsec3-hash.jsonl'), 'utf8').trim().split('\n');
    for (const line of lines) {
      const { name, hash, iterations, salt } = JSON.parse(line) as Record<string, string>;
      const octets = hashName(foldName(encodeName(name)), Buffer.from(salt, 'hex'), Number(iterations));
      const expected = encodeRdata(Type.NSEC3, `1 0 0 - ${hash} A`).subarray(6, 26);
      expect([name, Buffer.from(octets).toString('hex')]).toEqual([name, Buffer.from(expected).toString('hex')]);
    }
  });
});
