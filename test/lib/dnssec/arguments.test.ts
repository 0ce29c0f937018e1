// What programs hand to the library: told where it is wrong, and never walked along.
import { expect, test } from 'vitest';
import { Budget, readResponse, TrustAnchors, validate, wireName, ZoneKeys } from '../../../lib/dnssec/index.js';
import { answerA, makeQuery } from '../../support/messages.js';

const name = wireName('www.Example.');
const rrset = { name, type: 1, ttl: 60, data: [Uint8Array.of(192, 0, 2, 1)], signatures: [] };
const response = { rcode: 0, answer: [rrset], authority: [] };
const context = () => ({
  anchors: new TrustAnchors(),
  zones: new ZoneKeys(),
  budget: new Budget(),
  policy: {},
  now: 0,
  fetchRecords: () => undefined,
});

test('a message is read into what is judged', () => {
  const read = readResponse(answerA(makeQuery('www.example'), 60, '192.0.2.1'));
  expect({
    ...read,
    answer: read.answer.map(one => ({
      ...one,
      name: Uint8Array.from(one.name),
      data: one.data.map(data => Uint8Array.from(data)),
    })),
  }).toEqual(response);
  expect(validate({ name, type: 1 }, read, context())).toMatchObject({ status: 'indeterminate' });
});
test.each<[string, unknown, unknown, object]>([
  ['question.name: expected', { name: 'www.example.', type: 1 }, response, {}],
  ['question.name: expected', { name: Uint8Array.of(3, 119), type: 1 }, response, {}],
  ['question.type: expected', { name, type: 'A' }, response, {}],
  ['response.rcode: expected', { name, type: 1 }, { ...response, rcode: 'NOERROR' }, {}],
  ['response.answer: expected', { name, type: 1 }, { ...response, answer: rrset }, {}],
  ['response.answer: name', { name, type: 1 }, { ...response, answer: [{ ...rrset, name: 'www.example.' }] }, {}],
  ['response.answer: data', { name, type: 1 }, { ...response, answer: [{ ...rrset, data: ['192.0.2.1'] }] }, {}],
  ['response.authority: signatures', { name, type: 1 }, { ...response, authority: [{ ...rrset, signatures: 1 }] }, {}],
  ['context.policy', { name, type: 1 }, response, { policy: undefined }],
  ['context.now', { name, type: 1 }, response, { now: undefined }],
  ['context.fetchRecords', { name, type: 1 }, response, { fetchRecords: {} }],
])('%s', (told, question, wrong, more) => {
  expect(() => validate(question as never, wrong as never, { ...context(), ...more })).toThrow(told);
});
test('records that were fetched and are not what they should be are a failure that says so', () => {
  const fetchRecords = (): never => ({ rcode: 0, answer: [{ ...rrset, name: 'example.' }], authority: [] }) as never;
  const verdict = validate({ name, type: 1 }, response, { ...context(), fetchRecords });
  expect(verdict).toMatchObject({ status: 'indeterminate', unfetched: true });
});
test('anchors of algorithms and digests that are not believed are found, and those that are cut', () => {
  const useless = new TrustAnchors([
    `. DS 20326 8 3 ${'E0'.repeat(32)}`,
    `a. DS 20326 12 2 ${'E0'.repeat(32)}`,
    `a. DS 20326 8 2 ${'E0'.repeat(32)}`,
    'b. DS 20326 8 2 E0',
  ]);
  expect(useless.uselessBy({})).toEqual([
    { zone: wireName('.'), is: 'insecure' },
    { zone: wireName('b.'), is: 'bogus' },
  ]);
  expect(new TrustAnchors().uselessBy({})).toEqual([]);
});
