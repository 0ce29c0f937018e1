// What clients are told of why an answer is bogus.
import { expect, test } from 'vitest';
import { bogusText, extraTextOf, MAX_EXTRA_TEXT } from '../../../lib/resolve/bogus-text.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName } from '../../../lib/wire/name.js';

const told = (reason: string): string => extraTextOf(bogusText(encodeName('www.shop.'), Type.A, reason));

test('is the reason, without the question that the client has asked itself', () => {
  expect(told('shop. DNSKEY: no signatures')).toBe('shop. DNSKEY: no signatures');
});

test('is printable ASCII (RFC 8914 section 2)', () => {
  expect(told('a\u0000b\nc\u00e9d')).toBe('a?b?c?d');
});

test('is cut in the middle: whose record it is stands at the beginning, what failed at the end', () => {
  const text = told(`${'label.'.repeat(30)} A: an expired signature (key 35548, until 2027-01-15T07:00:00Z)`);
  expect(text).toHaveLength(MAX_EXTRA_TEXT);
  expect(text).toMatch(/^label\.label\..*\.\.\..* A: an expired signature \(key 35548, until 2027-01-15T07:00:00Z\)$/);
});
