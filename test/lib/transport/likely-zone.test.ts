// Which zone a name is taken to lie in.
import { expect, test } from 'vitest';
import { likelyZone } from '../../../lib/transport/likely-zone.js';
import { encodeName } from '../../../lib/wire/name.js';
import { makeQuery } from '../../support/messages.js';

test.each([
  ['r1.Slow.EXAMPLE', 'slow.example'],
  ['a.b.slow.example', 'slow.example'],
  ['www.shop.co.uk', 'shop.co.uk'],
  ['shop.co.uk', 'shop.co.uk'],
  ['co.uk', 'co.uk'],
  ['example', 'example'],
  ['.', '.'],
  ['4.3.2.192.in-addr.arpa', '2.192.in-addr.arpa'],
  [`${'1.'.repeat(24)}8.b.d.0.1.0.0.2.ip6.arpa`, '8.b.d.0.1.0.0.2.ip6.arpa'],
  ['x.arpa', 'x.arpa'],
])('%s is of %s', (name, zone) => {
  expect(likelyZone(makeQuery(name))).toBe(Buffer.from(encodeName(zone)).toString('latin1'));
});
