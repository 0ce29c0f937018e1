// Clients that ask for what is never answered leave others room to be answered.
import { expect, test } from 'vitest';
import { type ServerOptions, readOptions } from '../../../lib/server/settings/settings.js';
import { resolverOptionsOf } from '../../../lib/server/settings/compile.js';
import { Query } from '../../../lib/wire/query.js';
import { answerA, makeQuery } from '../../support/messages.js';
import { slowPath } from '../../support/slow-path.js';

/** Names below silent.example are never answered. */
function start(options: ServerOptions, servers?: string[]) {
  const t = slowPath(
    query => (new Query(query).nameText.endsWith('.silent.example.') ? undefined : answerA(query, 60)),
    options,
    {},
    servers && { servers },
  );
  const floods = (clients: number, each: number): void => {
    for (let n = 0; n < each; n++) {
      for (let i = 1; i <= clients; i++) {
        void t.ask(makeQuery(`n${n}-${i}.silent.example`), { client: { address: `198.51.100.${i}`, port: 1 } });
      }
    }
  };
  const told = (name: string, address: string) => t.told(name, {}, { client: { address, port: 1 } });
  return { ...t, floods, told };
}

test.each([
  ['of one server', ['192.0.2.1:53']],
  ['of a group whose servers are all silent about it', ['192.0.2.1:53', '192.0.2.2:53', '192.0.2.3:53']],
])('2, 16 and 100 clients with names that get no answer %s leave a newcomer room', async (_, servers) => {
  for (const clients of [2, 16, 100]) {
    const t = start({ upstreams: servers }, servers);
    t.floods(clients, Math.ceil(4096 / clients));
    await t.advance(1000);
    for (let i = 0; i < 10; i++) {
      expect((await t.told(`site${i}.example`, '203.0.113.5')).data, `${clients} clients`).toHaveLength(1);
    }
    expect(t.resolver.inFlight).toBeLessThan(2048);
    await t.advance(60_000);
  }
});

test('one client alone has half of what a server is asked at a time', () => {
  const t = start({ upstreams: ['192.0.2.1'] });
  t.floods(1, 3000);
  expect(t.resolver.inFlight).toBe(1024);
  expect(t.resolver.stats).toMatchObject({ clientOverloaded: 3000 - 1024, overloaded: 0 });
});

test('a client with few questions is heard beyond what a server is asked at a time, up to the bound on all', async () => {
  const t = start({ upstreams: ['192.0.2.1'], upstream: { maxInFlight: 64, maxTotal: 256 } });
  for (let i = 0; i < 256; i++) {
    void t.ask(makeQuery(`n${i}.silent.example`), { client: { address: `198.51.${i}.1`, port: 1 } });
  }
  expect(t.resolver.inFlight).toBe(256);
  expect((await t.told('site.example', '203.0.113.5')).rcode).toBe(2);
  expect(t.resolver.stats).toMatchObject({ clientOverloaded: 0, overloaded: 1 });
});

test('a recursor shares out all that may be under way, and a share of 1 is no bound for one client', () => {
  const limits = (options: ServerOptions) => resolverOptionsOf(readOptions(options)).flights;
  expect(limits({})).toEqual({ most: 8192, room: 8192, share: 32 });
  expect(limits({ upstreams: ['192.0.2.1'] })).toEqual({ most: 8192, room: 2048, share: 8 });
  expect(limits({ upstreams: ['192.0.2.1'], missRing: { clientShare: 1 } }).share).toBe(8192);
  expect(limits({ upstreams: ['192.0.2.1'], upstream: { maxTotal: 16 } })).toEqual({ most: 16, room: 16, share: 1 });
});
