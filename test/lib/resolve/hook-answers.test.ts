// What a client gets of the records that onQuery answers with, and what is said of a decision that makes no sense.
import { expect, test } from 'vitest';
import { checkDecision, type QueryDecision } from '../../../lib/resolve/hooks.js';
import type { TypeName } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';
import type { RecordText } from '../../../lib/wire/record.js';
import { answerA, decode, makeQuery } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

const record = (type: TypeName, data: string | Uint8Array, name = 'printer.example', ttl = 300): RecordText => {
  return { name, type, ttl, data };
};
const PRINTER = [record('A', '192.0.2.9'), record('AAAA', '2001:db8::9', 'Printer.Example'), record('TXT', 'floor 2', 'printer.example', 60)]; // prettier-ignore
/** A resolver whose hook decides so, and how often it was asked. */
function deciding(decision: QueryDecision) {
  const asked: string[] = [];
  const t = slowPath(
    query => answerA(query),
    {},
    {
      onQuery: ({ name, type }) => {
        asked.push(`${name} ${type}`);
        return decision;
      },
    },
  );
  return { ...t, asked };
}

test('a hook gives all records of a name: each type gets its own', async () => {
  const t = deciding({ answer: PRINTER });
  expect((await t.told('printer.example')).data).toEqual(['192.0.2.9']);
  expect((await t.told('printer.example', { type: 'AAAA' })).data).toEqual(['2001:db8::9']);
  expect((await t.told('PRINTER.example', { type: 'TXT' })).data).toEqual(['floor 2']);
  expect(t.udp.asked).toHaveLength(0);
});

test('ANY says that there is something, and where all is told, all of them (RFC 8482 section 4)', async () => {
  const t = deciding({ answer: PRINTER });
  const types = async () =>
    decode((await t.told('printer.example', { type: 'ANY' })).reply).answers?.map(one => one.type);
  expect(await types()).toEqual(['HINFO']);
  t.engine.invalidate('all');
  t.resolver.options = { ...t.resolver.options, any: 'all' };
  expect(await types()).toEqual(['A', 'AAAA', 'TXT']);
});

test('a type that none of the records has is a denial, which lives as long as they (RFC 2308 section 5)', async () => {
  const t = deciding({ answer: PRINTER });
  for (const type of ['MX', 'SRV'] as const) {
    const { rcode, data, reply } = await t.told('printer.example', { type });
    expect([rcode, data]).toEqual([0, []]);
    expect(decode(reply).authorities).toMatchObject([{ type: 'SOA', name: 'printer.example', ttl: 60 }]);
    expect(t.engine.answer(makeQuery('printer.example', { type }))).toBeGreaterThan(0);
  }
  expect(t.asked).toHaveLength(2);
  await t.advance(60_000);
  expect(t.engine.answer(makeQuery('printer.example', { type: 'MX' }))).toBeLessThan(0);
});

test('what an alias in the answer leads to comes behind it, in whatever order it was given', async () => {
  const answer = [
    record('A', '192.0.2.9', 'c.example'),
    record('CNAME', 'c.example.', 'b.example'),
    record('CNAME', 'b.example.'),
  ];
  const t = deciding({ answer });
  expect((await t.told('printer.example')).data).toEqual(['b.example', 'c.example', '192.0.2.9']);
  expect((await t.told('printer.example', { type: 'CNAME' })).data).toEqual(['b.example']);
  const denied = await t.told('printer.example', { type: 'AAAA' });
  expect(denied.data).toEqual(['b.example', 'c.example']);
  expect(decode(denied.reply).authorities).toMatchObject([{ type: 'SOA', name: 'c.example' }]);
});

test('an alias alone goes out as it is', async () => {
  const t = deciding({ answer: [record('CNAME', 'elsewhere.example.')] });
  const { data, reply } = await t.told('printer.example');
  expect(data).toEqual(['elsewhere.example']);
  expect(decode(reply).authorities).toEqual([]);
});

test('a DNAME above the name goes out with the alias that it makes (RFC 6672 section 3.1)', async () => {
  const answer = [record('CNAME', 'printer.test.'), record('DNAME', encodeName('test'), 'example')];
  expect((await deciding({ answer }).told('printer.example')).data).toHaveLength(2);
});

test.each<[unknown, RegExp]>([
  [{ refues: 'NXDOMAIN' }, /^onQuery returned a decision with "refues": expected only answer, rcode, .*tenant$/],
  [{ answer: [], refuse: 'REFUSED' }, /^onQuery returned both "answer and refuse": expected one of them$/],
  [{ rcode: 'NXDOMAIN' }, /^onQuery returned the rcode "NXDOMAIN": expected an answer beside it$/],
])('of the decision %j it is told what is wrong', (decision, expected) => {
  expect(() => checkDecision(decision)).toThrow(expected);
});

test('what is undefined is not decided, and tenant goes with anything', () => {
  const decision = { answer: undefined, rcode: undefined, cache: undefined, group: 'other', tenant: 3 };
  expect(checkDecision(decision)).toBe(decision);
});
