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
test.each(['. DS 1 8 2 AA', '. DS 1 8 1 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D'])(
  'an anchor whose digest has another length is none: %s',
  line => expect(() => new TrustAnchors([line])).toThrow(/trustAnchors: expected \d+ octets of digest/),
);
test('anchors of algorithms and digests that are not believed are found', () => {
  const useless = new TrustAnchors([
    `. DS 20326 8 3 ${'E0'.repeat(32)}`,
    `a. DS 20326 12 2 ${'E0'.repeat(32)}`,
    `a. DS 20326 8 2 ${'E0'.repeat(32)}`,
  ]);
  expect(useless.uselessBy({})).toEqual([Uint8Array.of(0)]);
  expect(new TrustAnchors().uselessBy({})).toEqual([]);
});
