// ANY where all is told: what of a response belongs to it, how it is judged, and what is kept of it.
import { afterEach, describe, expect, test } from 'vitest';
import { Security } from '../../../lib/cache/rrset-cache.js';
import { statusIn } from '../../../lib/cache/rrset-entry.js';
import { Server } from '../../../lib/server/server.js';
import { Rcode, Type, typeName } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { Query } from '../../../lib/wire/query.js';
import type { Rrset } from '../../../lib/wire/rrset.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { makeQuery, makeResponse } from '../../support/messages.js';
import { failure, setUpRecursor } from '../../support/recursor.js';
import { SignedInternet } from '../../support/signed-internet.js';
import { NOW, SignedTree, unsigned } from '../../support/signed-tree.js';

function setUp() {
  const tree = new SignedTree({
    '.': {},
    'com.': {},
    'shop.com.': {
      lines: [
        'shop.com. 300 NS ns.shop.com.',
        'www.shop.com. 300 A 192.0.2.80',
        'www.shop.com. 60 TXT "here"',
        'alias.shop.com. 300 CNAME www.shop.com.',
        'inner.empty.shop.com. 300 A 192.0.2.82',
        'moved.shop.com. 300 DNAME www.com.',
        '*.wild.shop.com. 300 A 192.0.2.83',
      ],
    },
  });
  const internet = new SignedInternet(tree);
  const validation = { anchors: tree.anchors, policy: {}, budget: {}, aggressive: true, signal: false, rootTags: [] };
  const t = setUpRecursor({ validation, rootHints: ['192.0.2.1'], qnameMinimisation: 'off' }, undefined, internet.ask);
  t.clock.wall = NOW;
  const any = async (name: string) => {
    const { rcode, secure, answers } = await t.recursor.resolve(encodeName(name), Type.ANY, {});
    return { rcode, secure, types: answers.map(one => typeName(one.type)).sort() };
  };
  const status = (name: string, type: number): number | undefined => {
    const found = t.rrsets.get(encodeName(name), type);
    return found && statusIn(found.security);
  };
  return { ...t, tree, internet, any, status };
}

describe('what is told', () => {
  test('all that the zone has, secure where each of it is', async () => {
    const { any } = setUp();
    expect(await any('www.shop.com.')).toEqual({ rcode: Rcode.NOERROR, secure: true, types: ['A', 'NSEC', 'TXT'] });
  });

  test('of an alias the alias, which is not followed (RFC 1034 section 3.6.2)', async () => {
    const { any, internet } = setUp();
    expect(await any('alias.shop.com.')).toMatchObject({ secure: true, types: ['CNAME', 'NSEC'] });
    expect(internet.asked.some(one => one.startsWith('www.'))).toBe(false);
  });

  test('below a DNAME it and the alias that it makes', async () => {
    const { any, internet, tree } = setUp();
    const dname = tree.find('moved.shop.com.', 'DNAME');
    const made = { ...dname, name: encodeName('x.moved.shop.com.'), type: Type.CNAME, signatures: [] };
    internet.lie = (said, _, name) =>
      name === 'x.moved.shop.com.'
        ? { ...said, rcode: 0, authority: [], answer: [dname, { ...made, data: [encodeName('x.www.com.')] }] }
        : undefined;
    expect(await any('x.moved.shop.com.')).toMatchObject({ secure: true, types: ['CNAME', 'DNAME'] });
  });

  test('what is known of some types answers not for all', async () => {
    const { any, recursor } = setUp();
    await recursor.resolve(encodeName('www.shop.com.'), Type.A, {});
    expect((await any('www.shop.com.')).types).toEqual(['A', 'NSEC', 'TXT']);
  });

  test('neither signatures of what is not there, nor what a zone says of its own DS records', async () => {
    const { any, internet, tree } = setUp();
    const ds = unsigned('shop.com. 300 DS 1 13 2 ' + '00'.repeat(32));
    const stray: Rrset = { ...tree.find('www.shop.com.', 'A'), name: encodeName('shop.com.'), data: [] };
    internet.lie = (said, _, __, type) =>
      type === Type.ANY ? { ...said, answer: [...said.answer, ds, stray] } : undefined;
    expect((await any('shop.com.')).types).toEqual(['DNSKEY', 'NS', 'NSEC', 'SOA']);
  });
});

describe('what is not there', () => {
  test('a name that does not exist, and one that is a part of others only', async () => {
    const { any } = setUp();
    expect(await any('nothing.shop.com.')).toMatchObject({ rcode: Rcode.NXDOMAIN, secure: true, types: [] });
    expect(await any('empty.shop.com.')).toMatchObject({ rcode: Rcode.NOERROR, secure: true, types: [] });
  });

  test.each(['nsec', 'nsec3'] as const)('the %s record of a name with data does not deny all of it', denial => {
    const zones = new SignedTree({
      'test.': { denial, lines: ['www.test. 300 A 192.0.2.1', 'a.ent.test. 300 A 192.0.2.2'] },
    });
    const authority = zones.denials('test.');
    expect(zones.status('www.test.', 'ANY', { authority }).status).toBe('bogus');
    expect(zones.status('www.test.', 'TXT', { authority }).status).toBe('secure');
    expect(zones.status('ent.test.', 'ANY', { authority }).status).toBe('secure');
  });
});

describe('what is wrong with one of it', () => {
  test('is bogus as a whole, and says nothing of the others', async () => {
    const { internet, recursor, status } = setUp();
    internet.lie = (said, _, __, type) =>
      type === Type.ANY
        ? {
            ...said,
            answer: said.answer.map(one => (one.type === Type.TXT ? { ...one, data: [Uint8Array.of(1, 97)] } : one)),
          }
        : undefined;
    const error = await failure(recursor.resolve(encodeName('www.shop.com.'), Type.ANY, {}));
    expect(error.isBogus).toBe(true);
    expect(status('www.shop.com.', Type.TXT)).toBeUndefined();
    expect(status('www.shop.com.', Type.A)).not.toBe(Security.bogus);
    expect((await recursor.resolve(encodeName('www.shop.com.'), Type.A, {})).secure).toBe(true);
  });

  test('each is kept with the life and the verdict of its own', async () => {
    const { any, rrsets, status } = setUp();
    await any('www.shop.com.');
    const left = (type: number): number => Math.round(rrsets.get(encodeName('www.shop.com.'), type)!.leftMs / 1000);
    expect([left(Type.A), left(Type.TXT)]).toEqual([300, 60]);
    expect([status('www.shop.com.', Type.A), status('www.shop.com.', Type.TXT)]).toEqual([
      Security.secure,
      Security.secure,
    ]);
  });
});

describe('by option', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  const start = (any?: 'one' | 'all') => {
    const clock = new FakeClock();
    const asked: string[] = [];
    const transport = new FakeTransport(clock, octets => {
      const query = new Query(octets);
      asked.push(typeName(query.type));
      const common = { name: 'www.example', ttl: 300 };
      const a = { ...common, type: 'A', data: '192.0.2.1' } as const;
      const txt = { ...common, type: 'TXT', data: 'x' } as const;
      return makeResponse(octets, { answers: query.type === Type.ANY ? [a, txt] : [a] });
    });
    const options = { udp: 'dgram' as const, cache: { memory: '1MiB' }, upstreams: ['192.0.2.53'] };
    server = new Server(
      { listen: ['127.0.0.1:0'], ...options, any },
      {},
      { clock, udpTransport: transport, tcpTransport: transport },
    );
    const { resolver, engine } = server;
    const told = async (): Promise<string[]> => {
      const query = new Query(Uint8Array.from(makeQuery('www.example', { type: 'ANY' })));
      const length = resolver.finish(query, await resolver.resolve(query, { protocol: 'internal' }), false);
      return decodeMessage(engine.reply.slice(0, length)).answers.map(one => typeName(one.type));
    };
    return { asked, told, server };
  };

  test('one record is told by default, and all where that is wanted; a change is in force at once', async () => {
    const { asked, told, server } = start();
    expect(await told()).toEqual(['HINFO']);
    expect(asked).toEqual(['A']);
    await server.update({ any: 'all' });
    expect(await told()).toEqual(['A', 'TXT']);
    expect(asked).toEqual(['A', 'ANY']);
    await server.update({ any: 'one' });
    expect(await told()).toEqual(['HINFO']);
  });

  test('anything else is refused by name', () => {
    expect(() => start('some' as 'one')).toThrow(/any: .*"one".*"all".*some/);
  });
});
