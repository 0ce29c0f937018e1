import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Engine } from '../../../lib/cache/engine.js';
import { Flag, rcodeName, Type, typeCode } from '../../../lib/wire/iana.js';
import { decodeMessage, encodeMessage } from '../../../lib/wire/message.js';
import { encodeName, foldName } from '../../../lib/wire/name.js';
import { changeZone } from '../../../lib/zone/changes.js';
import { NativeAnswers } from '../../../lib/zone/native-answers.js';
import { ZoneBuilder } from '../../../lib/zone/zone-builder.js';
import { readZoneFile } from '../../../lib/zone/zone-file.js';
import { ZoneStore } from '../../../lib/zone/zone-store.js';
import { Zone } from '../../../lib/zone/zone.js';
import { vectorsFolder } from '../../support/vectors.js';
import { ask, linesOf, recordsOfText, setOf, type Told } from '../../support/zone-cases.js';

const PATIENT = { timeout: 300_000 };

function zoneOf(text: string | Buffer, origin: string): Zone {
  const apex = foldName(encodeName(origin));
  const builder = new ZoneBuilder(apex);
  const octets = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1');
  readZoneFile(octets, { file: 'zone', origin: apex }, (name, end, type, ttl, data, size) => {
    builder.addOctets(name, 0, end, type, ttl, data, 0, size);
    return undefined;
  });
  return new Zone(apex, builder.build());
}

const HEAD = '@ 3600 SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n';

let engine: Engine;
let store: ZoneStore;
beforeEach(() => {
  engine = new Engine({ memoryBytes: 1 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
  store = new ZoneStore();
  new NativeAnswers(engine.native).follow(store);
});
afterEach(() => {
  engine.close();
});

/** Undefined: it is left to JavaScript. */
function askNatively(
  name: string,
  type: string,
  { dnssecOk = false, udp = false, size = 65_535, tenant = 0 } = {},
): (Told & { octets: number; message: ReturnType<typeof decodeMessage> }) | undefined {
  const opt = Buffer.from([0, 0, 41, size >> 8, size & 255, 0, 0, dnssecOk ? 0x80 : 0, 0, 0, 0]);
  const question = { name: encodeName(name), type: typeCode(type)!, dnsClass: 1 };
  const query = Buffer.concat([
    encodeMessage({ id: 77, flags: 0, question, answers: [], authorities: [], additionals: [] })!,
    size === 0 ? Buffer.alloc(0) : opt,
  ]);
  if (size !== 0) query.writeUInt16BE(1, 10);
  const octets = engine.answer(query, { udp, tenant });
  if (octets <= 0) return undefined;
  const message = decodeMessage(engine.reply.slice(0, octets));
  expect(message.id).toBe(77);
  const flags = ['QR', ...(message.flags & Flag.AA ? ['AA'] : [])];
  expect(message.flags & Flag.RA).toBe(0);
  return {
    rcode: rcodeName(message.flags & 15),
    flags,
    answer: message.answers,
    authority: message.authorities,
    additional: message.additionals.filter(one => one.type !== Type.OPT),
    octets,
    message,
  };
}

/** Whether it was told natively, and then the same as JavaScript tells. */
function isSame(zones: readonly Zone[], name: string, type: string, dnssecOk = false): boolean {
  const told = askNatively(name, type, { dnssecOk });
  if (told === undefined) return false;
  const expected = ask(zones, name, type, dnssecOk);
  const sets = ({ rcode, flags, answer, authority, additional }: Told) => ({
    rcode,
    flags,
    answer: setOf(answer),
    authority: setOf(authority),
    additional: setOf(additional),
  });
  expect(sets(told), `${name} ${type}`).toEqual(sets(expected));
  return true;
}

describe('what zones answer without JavaScript', () => {
  test('is a denial with the SOA for a name that is in no zone', () => {
    store.replace(zoneOf(HEAD, 'example.org'));
    expect(isSame([...store.all()], 'x.example.org', 'A')).toBe(true);
    expect(isSame([...store.all()], 'A.b.C.example.ORG', 'TXT', true)).toBe(true);
    expect(askNatively('x.example.org', 'A')).toMatchObject({ rcode: 'NXDOMAIN', flags: ['QR', 'AA'] });
    expect(askNatively('X.example.org', 'A')!.authority[0].ttl).toBe(60);
  });

  test('is the question in the letters that it was asked in', () => {
    store.replace(zoneOf(HEAD, 'example.org'));
    expect(askNatively('NoWhere.eXample.org', 'A')!.message.question!.name).toEqual(encodeName('NoWhere.eXample.org'));
  });

  test('is nothing of names that have records, or that others lie below', () => {
    store.replace(zoneOf(`${HEAD}a.b A 192.0.2.2\n`, 'example.org'));
    for (const name of ['example.org', 'ns.example.org', 'a.b.example.org', 'b.example.org']) {
      for (const type of ['A', 'MX', 'NS']) expect(askNatively(name, type)).toBeUndefined();
    }
    expect(isSame([...store.all()], 'c.b.example.org', 'A')).toBe(true);
  });

  test('is nothing of names in no zone, or in one that is suspended', () => {
    store.replace(zoneOf(HEAD, 'example.org'));
    store.suspend(encodeName('sub.example.org'), 'expired');
    expect(askNatively('x.example.net', 'A')).toBeUndefined();
    expect(askNatively('x.sub.example.org', 'A')).toBeUndefined();
    expect(askNatively('x.example.org', 'A')).toBeDefined();
    store.remove(encodeName('sub.example.org'));
    expect(askNatively('x.sub.example.org', 'A')).toMatchObject({ rcode: 'NXDOMAIN' });
    store.remove(encodeName('example.org'));
    expect(askNatively('x.example.org', 'A')).toBeUndefined();
  });

  test('is a wildcard of the closest name above that exists, and that it has nothing of a type', () => {
    const zone = zoneOf(
      `${HEAD}* A 192.0.2.9\n* TXT "any"\nhere A 192.0.2.3\n*.deep.here MX 5 mail\nalias.here A 192.0.2.3\n*.alias.here CNAME ns\n`,
      'example.org',
    );
    store.replace(zone);
    expect(isSame([zone], 'any.example.org', 'A')).toBe(true);
    expect(isSame([zone], 'a.b.c.example.org', 'TXT')).toBe(true);
    expect(isSame([zone], 'any.example.org', 'MX')).toBe(true);
    expect(askNatively('any.example.org', 'MX')).toMatchObject({ rcode: 'NOERROR', answer: [] });
    // A name that exists is nearer than the wildcard.
    expect(isSame([zone], 'x.here.example.org', 'A')).toBe(true);
    expect(askNatively('x.here.example.org', 'A')).toMatchObject({ rcode: 'NXDOMAIN' });
    expect(isSame([zone], 'x.y.deep.here.example.org', 'MX')).toBe(true);
    expect(isSame([zone], 'a.*.example.org', 'A')).toBe(true);
    // What an alias leads to is JavaScript's.
    expect(askNatively('x.alias.here.example.org', 'A')).toBeUndefined();
    expect(isSame([zone], 'x.alias.here.example.org', 'CNAME')).toBe(true);
  });

  test('is a referral with the addresses of servers that lie below it', () => {
    const zone = zoneOf(
      `${HEAD}sub NS ns.sub\nsub NS ns\nsub NS ns.example.net.\nns.sub A 192.0.2.4\nns.sub AAAA 2001:db8::4\n`,
      'example.org',
    );
    store.replace(zone);
    for (const name of ['x.sub.example.org', 'a.b.ns.sub.example.org', 'ns.sub.example.org', 'sub.example.org']) {
      expect(isSame([zone], name, 'A')).toBe(true);
    }
    expect(askNatively('x.sub.example.org', 'A')).toMatchObject({ rcode: 'NOERROR', flags: ['QR'] });
    expect(isSame([zone], 'x.sub.example.org', 'DS')).toBe(true);
    // The cut's DS is the parent's to answer.
    expect(askNatively('sub.example.org', 'DS')).toBeUndefined();
  });

  test('is cut off with TC where the addresses of a referral do not fit (RFC 9471)', () => {
    const servers = Array.from({ length: 12 }, (_, i) => `sub NS ns${i}.sub\nns${i}.sub AAAA 2001:db8::${i + 1}\n`);
    store.replace(zoneOf(HEAD + servers.join(''), 'example.org'));
    expect(askNatively('x.sub.example.org', 'A', { udp: true, size: 0 })!.message.flags & Flag.TC).toBe(Flag.TC);
    expect(askNatively('x.sub.example.org', 'A', { udp: true, size: 1232 })!.message.flags & Flag.TC).toBe(0);
  });

  test('is nothing where names are renamed (DNAME), and nothing of ANY and of signatures', () => {
    store.replace(zoneOf(`${HEAD}old DNAME new\n`, 'example.org'));
    expect(askNatively('x.old.example.org', 'A')).toBeUndefined();
    expect(askNatively('x.example.org', 'RRSIG')).toBeUndefined();
    expect(askNatively('x.example.org', 'ANY')).toBeUndefined();
  });

  test('is of the version of the moment, whether it was read or changed', () => {
    const before = zoneOf(`${HEAD}a A 192.0.2.2\n`, 'example.org');
    store.replace(before);
    expect(askNatively('b.example.org', 'A')).toMatchObject({ rcode: 'NXDOMAIN' });
    const [soa, added] = recordsOfText([
      'example.org. 3600 IN SOA ns.example.org. hostmaster.example.org. 8 3600 600 86400 60',
      '*.b.example.org. 3600 IN A 192.0.2.7',
    ]);
    const removed = [before.soa, ...before.recordsAt(before.find(encodeName('a'), 0, 2), Type.A)];
    const after = changeZone(before, { removed, added: [soa, added] });
    expect(after.overlay).toBeDefined();
    store.replace(after);
    expect(askNatively('b.example.org', 'A')).toBeUndefined();
    for (const name of ['x.b.example.org', 'a.example.org', 'x.a.example.org', 'c.example.org']) {
      expect(isSame([after], name, 'A')).toBe(true);
    }
    expect(askNatively('x.b.example.org', 'A')!.answer).toHaveLength(1);
  });

  test('is nothing for clients who have zones of their own', () => {
    const answers = new NativeAnswers(engine.native);
    store.replace(zoneOf(HEAD, 'example.org'));
    answers.withhold([3]);
    expect(askNatively('x.example.org', 'A', { tenant: 3 })).toBeUndefined();
    expect(askNatively('x.example.org', 'A', { tenant: 2 })).toBeDefined();
    answers.withhold([]);
    expect(askNatively('x.example.org', 'A', { tenant: 3 })).toBeDefined();
  });

  test('is the zone with the longest apex of thousands, whatever comes and goes', () => {
    const count = 3000;
    const name = (i: number): string => `z${i % 7}.${i}.example`;
    for (let i = 0; i < count; i++) store.replace(zoneOf(`${HEAD}* TXT "${i}"\n`, name(i)));
    for (let i = 0; i < count; i += 3) store.remove(encodeName(name(i)));
    for (let i = 1; i < count; i += 3) store.replace(zoneOf(`${HEAD}* TXT "again ${i}"\n`, name(i)));
    for (let i = 0; i < count; i += 17) {
      const told = askNatively(`x.${name(i)}`, 'TXT');
      if (i % 3 === 0) expect(told).toBeUndefined();
      else expect(Buffer.from(told!.answer[0].data.slice(1)).toString()).toBe(i % 3 === 1 ? `again ${i}` : `${i}`);
    }
    const stats = new Float64Array(4);
    engine.native.zoneStats(stats);
    expect(stats[3]).toBe(store.size);
  });

  test('is what JavaScript answers, of any zone and question', PATIENT, () => {
    const label = fc.constantFrom('a', 'b', '*', 'ns', 'sub');
    const owner = fc.array(label, { maxLength: 4 }).map(labels => labels.join('.') || '@');
    const data = fc.constantFrom(
      'A 192.0.2.5',
      'TXT "x"',
      'NS ns.a',
      'NS b.sub',
      'CNAME a',
      'DNAME b',
      'MX 1 a',
      'DS 1 8 2 00',
    );
    const record = fc.tuple(owner, data);
    let told = 0;
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 12 }),
        fc.array(owner, { minLength: 6, maxLength: 6 }),
        (records, asked) => {
          const text = records.map(([name, what]) => `${name} 300 ${what}\n`).join('');
          const zone = zoneOf(HEAD + text, 'example');
          store.replace(zone);
          for (const name of asked) {
            for (const type of ['A', 'NS', 'DS', 'TXT']) {
              if (isSame([zone], name === '@' ? 'example' : `${name}.example`, type, true)) told++;
            }
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(told).toBeGreaterThan(1000);
  });

  const folder = vectorsFolder('auth');
  test.skipIf(folder === undefined)('is what JavaScript answers of the zones of other servers', PATIENT, () => {
    interface Case {
      zone: string;
      query: [string, string];
    }
    let told = 0;
    for (const { zone: text, query } of linesOf(join(folder!, 'auth/ferret-valid.jsonl')) as Case[]) {
      const zone = zoneOf(text, text.slice(0, text.indexOf(' ')));
      store.replace(zone);
      for (const name of [query[0], `x.${query[0]}`]) if (isSame([zone], name, query[1])) told++;
      store.remove(zone.apex);
    }
    expect(told).toBeGreaterThan(5000);
    told = 0;
    const signed = new Map<string, Zone>();
    for (const one of linesOf(join(folder!, 'auth/three-servers.jsonl')) as (Case & {
      origin: string;
      do: boolean;
    })[]) {
      let zone = signed.get(one.zone);
      if (zone === undefined) {
        zone = zoneOf(readFileSync(join(folder!, 'auth/served-zones', one.zone)), one.origin);
        signed.set(one.zone, zone);
      }
      store.replace(zone);
      if (isSame([zone], one.query[0], one.query[1], one.do)) told++;
      store.remove(zone.apex);
    }
    expect(told).toBeGreaterThan(500);
  });
});
