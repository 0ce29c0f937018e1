// Why an answer is bogus, in words, on every way in (RFC 8914).
import { afterEach, expect, test } from 'vitest';
import { Rcode } from '../../../lib/wire/iana.js';
import { Query } from '../../../lib/wire/query.js';
import { extendedTextsOf, makeQuery, rcodeOf } from '../../support/messages.js';
import { answerOf, tampered } from '../../support/signed-internet.js';
import { SignedTree } from '../../support/signed-tree.js';
import { PATHS, TestServer } from '../../support/test-server.js';

let t: TestServer | undefined;
afterEach(() => t?.close());

test.each(PATHS)('SERVFAIL for what is bogus says why, at first and from the cache: %s', async path => {
  const tree = new SignedTree({ '.': {}, 'shop.': { lines: ['www.shop. 300 A 192.0.2.80'] } });
  // The zones are signed for another time than this, so that nothing proves itself.
  t = await TestServer.start(query => answerOf(tree, new Query(query), { lie: tampered }), {
    udp: path === 'dgram' ? 'dgram' : 'native',
    dnssec: { validate: true, trustAnchors: [tree.signed('.').anchor] },
  });
  const query = makeQuery('www.shop', { udpSize: 1232 });
  const first = (await t.ask(path, query, 10_000))!;
  expect(rcodeOf(first)).toBe(Rcode.SERVFAIL);
  const [text] = extendedTextsOf(first);
  expect(text).toMatch(/^\d+ \S+ [A-Z]+: \S.+$/);
  const asked = t.asked;
  expect(extendedTextsOf((await t.ask(path, query, 10_000))!)).toEqual([text]);
  expect(t.asked).toBe(asked);
  expect(extendedTextsOf((await t.ask(path, makeQuery('www.shop'), 10_000))!)).toEqual([]);
});
