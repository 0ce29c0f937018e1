// What a request of DNS over HTTPS asks for, by its head.
import { expect, test } from 'vitest';
import { readHead, type RequestHead } from '../../../../lib/server/listeners/doh-request.js';

const read = (head: Partial<RequestHead>): unknown =>
  readHead(
    { method: 'GET', target: '/dns-query', contentType: undefined, contentLength: undefined, ...head },
    '/dns-query',
  );
const dns = (text: string): unknown => read({ target: `/dns-query?${text}` });

test("a query of GET and HEAD is in the variable `dns`, others are nobody's concern", () => {
  const octets = Buffer.from([0, 1, 2, 0xfb, 0xff]);
  const text = octets.toString('base64url');
  expect(dns(`dns=${text}`)).toEqual(octets);
  expect(dns(`x=1&dns=${text}&ct`)).toEqual(octets);
  expect(read({ method: 'HEAD', target: `/dns-query?dns=${text}` })).toEqual(octets);
});

test.each([
  ['', 'nothing'],
  ['dns=', 'an empty one'],
  ['DNS=AAAA', 'another variable'],
  ['dns=AAAA&dns=AAAA', 'two'],
  ['dns=AAA=', 'padding (RFC 8484 section 6)'],
  ['dns=AA+A', 'letters of plain base64'],
  ['dns=AA%41A', 'letters that are written otherwise'],
  ['dns=AA A', 'a blank'],
  ['dns=AAAAA', 'a letter too many'],
  ['dns=AB', 'bits that stand for nothing (RFC 4648 section 3.5)'],
])('%j is 400: %s', text => expect(dns(text)).toBe(400));

test('what is longer than a message can be is 413', () => {
  expect(dns(`dns=${'A'.repeat(87_384)}`)).toBe(413);
  expect(read({ method: 'POST', contentType: 'application/dns-message', contentLength: '65536' })).toBe(413);
});

test('POST brings application/dns-message, however it is written, and nothing else', () => {
  const post = (contentType: string | undefined): unknown => read({ method: 'POST', contentType, contentLength: '30' });
  for (const type of ['application/dns-message', 'Application/DNS-Message', 'application/dns-message; charset=x'])
    expect(post(type)).toBe('body');
  for (const type of [undefined, '', 'application/dns-json', 'application/dns-message2']) expect(post(type)).toBe(415);
});

test('other paths are 404, other methods 405', () => {
  for (const target of [
    '/',
    '/dns-query/',
    '/Dns-query',
    'https://a/dns-query?dns=AAAA',
    '*',
    '',
    '/dns-query2?dns=AAAA',
  ])
    expect(read({ target })).toBe(404);
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'get', 'CONNECT', '']) expect(read({ method })).toBe(405);
});
