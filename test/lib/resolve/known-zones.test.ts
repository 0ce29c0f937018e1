// Delegations that are kept in the form they are used in: what changes of a zone's servers counts at once.
import { describe, expect, test } from 'vitest';
import { Rank, RrsetCache } from '../../../lib/cache/rrset-cache.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeName, nameKey, nameToText } from '../../../lib/wire/name.js';
import { encodeRdata } from '../../../lib/wire/rdata.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { FakeInternet } from '../../support/fake-internet.js';
import { setUpRecursor, texts } from '../../support/recursor.js';

const SOA = 'ns.example. hostmaster.example. 1 3600 600 86400 300';
const OLD = '192.0.2.66';
const NEW = '192.0.2.77';
const NAMES = ['a', 'b', 'c', 'd', 'e'].map(one => `${one}.shop.com`);

/** shop.com is served at OLD and at NEW, where each name has another address; com. knows of OLD only. */
function shop() {
  const zone = (address: string): [string, string] => [
    'shop.com.',
    `shop.com. SOA ${SOA}\n${NAMES.map(name => `${name}. A ${address}`).join('\n')}`,
  ];
  const internet = new FakeInternet()
    .serve('192.0.2.1', '.', `. SOA ${SOA}\n. NS a.root.\na.root. A 192.0.2.1\ncom. NS ns.com.\nns.com. A 192.0.2.2`)
    .serve('192.0.2.2', 'com.', `com. SOA ${SOA}\nshop.com. 3600 NS ns.shop.com.\nns.shop.com. 3600 A ${OLD}`)
    .serve(OLD, ...zone('10.0.0.1'))
    .serve(NEW, ...zone('10.0.0.2'));
  return setUpRecursor({ qnameMinimisation: 'off' }, internet);
}
const rrset = (name: string, type: number, data: string): Rrset => ({
  name: encodeName(name),
  type,
  ttl: 3600,
  data: [encodeRdata(type, data, '.')],
  signatures: [],
});
const from = async (one: ReturnType<typeof shop>, name: string): Promise<string[]> => texts(await one.resolve(name));

describe('a zone that questions began at before', () => {
  test('is not read from the RRset cache again for each', async () => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    const before = one.rrsets.bytes.stats().hitsPositive;
    expect(before).toBeGreaterThan(0);
    for (const name of NAMES.slice(2)) expect(await from(one, name)).toEqual(['A 10.0.0.1']);
    expect(one.rrsets.bytes.stats().hitsPositive).toBe(before);
  });
  test('is asked at the address that its server has by now', async () => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    one.rrsets.putGlue(rrset('ns.shop.com', Type.A, NEW), 3_600_000);
    expect(await from(one, NAMES[2])).toEqual(['A 10.0.0.2']);
  });
  test('is asked at the servers that its parent gives it by now', async () => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    one.rrsets.putGlue(rrset('ns.else.com', Type.A, NEW), 3_600_000);
    one.rrsets.putDelegation(rrset('shop.com', Type.NS, 'ns.else.com.'), 3_600_000);
    expect(await from(one, NAMES[2])).toEqual(['A 10.0.0.2']);
  });
  test('has the servers that it names itself by now', async () => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    one.rrsets.put(rrset('shop.com', Type.NS, 'ns.else.com.'), Rank.authoritative);
    const zone = encodeName('shop.com');
    const known = one.recursor.known.delegation(zone, 0, nameKey(zone), one.clock.nowMs(), false)!;
    expect(known.servers.map(server => nameToText(server.name))).toEqual(['ns.else.com.', 'ns.shop.com.']);
  });
  test.each<[string, (rrsets: RrsetCache) => void]>([
    ['its delegation is forgotten', rrsets => rrsets.forgetDelegation(encodeName('shop.com'))],
    ['its name is forgotten', rrsets => rrsets.forgetName(encodeName('shop.com'))],
    ['everything is forgotten', rrsets => rrsets.clear()],
  ])('is looked for from above when %s', async (_, forget) => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    forget(one.rrsets);
    one.internet.asked.length = 0;
    expect(await from(one, NAMES[2])).toEqual(['A 10.0.0.1']);
    expect(one.internet.asked.map(asked => asked.server)).toContain('192.0.2.2');
  });
  test('is asked where other threads have placed it, a second later', async () => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    new RrsetCache(one.rrsets.bytes).putGlue(rrset('ns.shop.com', Type.A, NEW), 3_600_000);
    await one.pass(1000);
    expect(await from(one, NAMES[2])).toEqual(['A 10.0.0.2']);
  });
  test('is not seen by the options of before', async () => {
    const one = shop();
    for (const name of NAMES.slice(0, 2)) await from(one, name);
    one.recursor.options = { ...one.recursor.options, ipv4: false, ipv6: true };
    await expect(one.resolve(NAMES[2])).rejects.toThrow();
  });
});
