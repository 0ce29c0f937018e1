// The twenty rules for answers served from stored bytes, each on every path: the native UDP plane, dgram, TCP, and the
// library's own call.
import { afterEach, describe, expect, test } from 'vitest';
import type { Hooks } from '../../../lib/resolve/hooks.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { Query } from '../../../lib/wire/query.js';
import type { Handler } from '../../support/fake-transport.js';
import {
  answerA,
  decode,
  extendedErrorsOf,
  flagsOf,
  makeQuery,
  makeResponse,
  type QueryShape,
  rcodeOf,
  soa,
  ttlsOf,
} from '../../support/messages.js';
import { PATHS, type Path, TestServer } from '../../support/test-server.js';

let running: TestServer[] = [];
afterEach(async () => {
  await Promise.all(running.map(one => one.close()));
  running = [];
});

async function start(path: Path, handler: Handler, options: ServerOptions & Hooks = {}): Promise<TestServer> {
  const server = await TestServer.start(handler, { udp: path === 'dgram' ? 'dgram' : 'native', ...options });
  running.push(server);
  return server;
}

const EDNS = { edns: true } satisfies QueryShape;

describe.each(PATHS)('on the path %s', path => {
  const rule = (
    number: number,
    title: string,
    body: (ask: (name: string, shape?: QueryShape) => Promise<Buffer>, server: TestServer) => Promise<void>,
    handler: Handler = query => answerA(query),
    options: ServerOptions & Hooks = {},
  ): void => {
    test(`rule ${number}: ${title}`, async () => {
      const server = await start(path, handler, options);
      await body(async (name, shape) => {
        const reply = await server.ask(path, makeQuery(name, shape));
        expect(reply, `a reply for ${name}`).toBeDefined();
        return reply!;
      }, server);
    });
  };

  rule(1, "the id is the query's, from upstream and from the cache (RFC 1035 4.1.1)", async (ask, server) => {
    expect(decode(await ask('a.example', { id: 1 })).id).toBe(1);
    expect(decode(await ask('a.example', { id: 0xbeef })).id).toBe(0xbeef);
    expect(server.asked).toBe(1);
  });

  rule(2, 'the question comes back in its own letter case (RFC 4343)', async ask => {
    expect(decode(await ask('www.EXAMPLE')).questions![0].name).toBe('www.EXAMPLE');
    expect(decode(await ask('WwW.eXaMpLe')).questions![0].name).toBe('WwW.eXaMpLe');
  });

  rule(
    3,
    'TTLs are reduced by the age in every section, equal in an RRset, never fresh at age >= TTL (RFC 2181 5.2)',
    async (ask, server) => {
      await ask('a.example');
      server.advance(100);
      for (const ttl of ttlsOf(await ask('a.example'))) expect([199, 200]).toContain(ttl);
      expect(server.asked).toBe(1);
      server.advance(200);
      await ask('a.example');
      expect(server.asked).toBe(2);
    },
    query =>
      makeResponse(query, {
        answers: [
          { type: 'A', name: 'a.example', ttl: 300, data: '192.0.2.1' },
          { type: 'A', name: 'a.example', ttl: 500, data: '192.0.2.2' },
        ],
      }),
    { stale: { enabled: false } },
  );

  rule(
    4,
    'OPT is never cached: it is rebuilt for each reply (RFC 6891 6.1)',
    async ask => {
      const first = decode(await ask('a.example', EDNS));
      expect(first.additionals).toHaveLength(1);
      expect((first.additionals![0] as unknown as { options: unknown[] }).options).toEqual([]);
      expect(decode(await ask('a.example')).additionals).toHaveLength(0);
    },
    query =>
      makeResponse(query, {
        answers: [{ type: 'A', name: 'a.example', ttl: 60, data: '192.0.2.1' }],
        additionals: [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: 4096,
            flags: 0,
            options: [{ code: 10, data: Buffer.alloc(16, 1) }],
          },
        ] as never,
      }),
  );

  rule(
    5,
    'an RRSIG limits the lifetime and its Original TTL never ages (RFC 4034 3.1.4; 4035 5.3.3)',
    async (ask, server) => {
      const signature = (reply: Buffer): { ttl: number; data: { originalTTL: number } } =>
        decode(reply).answers!.find(one => one.type === 'RRSIG') as never;
      expect(signature(await ask('a.example', { dnssecOk: true })).ttl).toBeLessThanOrEqual(120);
      server.advance(60);
      const aged = signature(await ask('a.example', { dnssecOk: true }));
      expect(aged.ttl).toBeLessThanOrEqual(60);
      expect(aged.data.originalTTL).toBe(120);
      server.advance(61);
      await ask('a.example', { dnssecOk: true });
      expect(server.asked).toBe(2);
    },
    query => {
      const now = Math.floor(Date.now() / 1000);
      return makeResponse(query, {
        answers: [
          { type: 'A', name: 'a.example', ttl: 600, data: '192.0.2.1' },
          {
            type: 'RRSIG',
            name: 'a.example',
            ttl: 600,
            data: {
              typeCovered: 'A',
              algorithm: 13,
              labels: 2,
              originalTTL: 120,
              expiration: now + 3600,
              inception: now - 3600,
              keyTag: 1,
              signersName: 'example',
              signature: Buffer.alloc(64, 7),
            },
          },
        ] as never,
      });
    },
    { stale: { enabled: false }, cache: { minTtlSeconds: 300 } },
  );

  rule(
    6,
    'QR=1, RD copied, RA set, AA=0, Z=0 (RFC 1035 4.1.1)',
    async ask => {
      for (let i = 0; i < 2; i++) expect(flagsOf(await ask('a.example')) & 0xfff0).toBe(0x8180);
      expect(flagsOf(await ask('a.example', { rd: false })) & 0x0100).toBe(0);
    },
    query => {
      const response = answerA(query);
      response[2] |= 0x04; // an authoritative upstream
      response[3] |= 0x40; // and a careless one
      return response;
    },
  );

  rule(
    7,
    'AD only for clients that set AD or DO (RFC 6840 5.7-5.8)',
    async (ask, server) => {
      for (let i = 0; i < 2; i++) {
        expect(flagsOf(await ask('a.example')) & 0x20).toBe(0);
        expect(flagsOf(await ask('a.example', { ad: true })) & 0x20).toBe(0x20);
        expect(flagsOf(await ask('a.example', { dnssecOk: true })) & 0x20).toBe(0x20);
      }
      // Once as nobody wanted to know, once for AD, once for DO; never again.
      expect(server.asked).toBe(3);
      // The answer for DO serves the others too.
      expect(flagsOf(await ask('b.example', { dnssecOk: true })) & 0x20).toBe(0x20);
      expect(flagsOf(await ask('b.example')) & 0x20).toBe(0);
      expect(flagsOf(await ask('b.example', { ad: true })) & 0x20).toBe(0x20);
      expect(server.asked).toBe(4);
    },
    query => {
      const { authenticData, dnssecOk } = new Query(query);
      const response = answerA(query);
      if (authenticData || dnssecOk) response[3] |= 0x20;
      return response;
    },
  );

  rule(8, 'CD is copied, and data had under CD=1 never answers CD=0 (RFC 6840 5.9)', async (ask, server) => {
    expect(flagsOf(await ask('a.example', { cd: true })) & 0x10).toBe(0x10);
    expect(server.udp.asked[0].query[3] & 0x10).toBe(0x10);
    expect(flagsOf(await ask('a.example')) & 0x10).toBe(0);
    expect(server.asked).toBe(2);
    expect(server.udp.asked[1].query[3] & 0x10).toBe(0);
  });

  rule(9, 'DO is copied, upstream too; DO=0 data never answers DO=1 (RFC 3225 3)', async (ask, server) => {
    await ask('a.example', EDNS);
    const reply = decode(await ask('a.example', { dnssecOk: true }));
    expect((reply.additionals![0] as unknown as { flag_do: boolean }).flag_do).toBe(true);
    expect(server.asked).toBe(2);
    const flagsSent = server.udp.asked.map(
      ({ query }) => (decode(query).additionals![0] as unknown as { flag_do: boolean }).flag_do,
    );
    expect(flagsSent).toEqual([false, true]);
  });

  rule(
    10,
    'EDNS: two OPTs FORMERR, version 1 BADVERS, sizes below 512 count as 512 (RFC 6891 6)',
    async (ask, server) => {
      const two = makeQuery('a.example', EDNS);
      const opt = two.subarray(two.length - 11);
      const doubled = Buffer.concat([two, opt]);
      doubled[11] = 2;
      expect(rcodeOf((await server.ask(path, doubled))!)).toBe(1);
      const later = makeQuery('a.example', EDNS);
      later[later.length - 11 + 6] = 1;
      const reply = (await server.ask(path, later))!;
      expect(rcodeOf(reply)).toBe(0);
      expect(reply[reply.length - 11 + 5]).toBe(1); // 16 >> 4
      expect(rcodeOf(await ask('a.example', { udpSize: 12 }))).toBe(0);
      expect(server.asked).toBe(1);
    },
  );

  rule(
    11,
    'what does not fit comes with TC and no part of an RRset; over TCP it comes whole (RFC 2181 9; 9715)',
    async ask => {
      for (let i = 0; i < 2; i++) {
        const reply = decode(await ask('big.example', { type: 'TXT', udpSize: 4096 }));
        if (path === 'tcp') {
          expect(reply.flag_tc).toBe(false);
          expect(reply.answers).toHaveLength(20);
        } else {
          expect(reply.flag_tc).toBe(true);
          expect(reply.answers).toHaveLength(0);
          expect(reply.additionals).toHaveLength(1);
        }
      }
    },
    query =>
      makeResponse(query, {
        answers: Array.from({ length: 20 }, (_, i) => ({
          type: 'TXT' as const,
          name: 'big.example',
          ttl: 60,
          data: `${i} `.repeat(40),
        })),
      }),
  );

  rule(
    11,
    'what an answer can do without is left out without TC (RFC 2181 9)',
    async ask => {
      for (let i = 0; i < 2; i++) {
        const reply = decode(await ask('a.example', { udpSize: 512 }));
        expect(reply.flag_tc).toBe(false);
        expect(reply.answers).toHaveLength(1);
        // Beside OPT.
        expect(reply.additionals).toHaveLength(path === 'tcp' ? 41 : 1);
      }
    },
    query =>
      makeResponse(query, {
        answers: [{ type: 'A', name: 'a.example', ttl: 60, data: '192.0.2.1' }],
        additionals: Array.from({ length: 40 }, (_, i) => ({
          type: 'A' as const,
          name: `host-${i}.example`,
          ttl: 60,
          data: '192.0.2.2',
        })),
      }),
  );

  rule(
    12,
    'shape: responses dropped, other opcodes NOTIMP or NOTAUTH, 0 or 2 questions FORMERR, transfers refused (RFC 9619)',
    async (_ask, server) => {
      const withByte = (at: number, value: number, type = 'A'): Buffer => {
        const query = makeQuery('a.example', { type });
        query[at] = value;
        return query;
      };
      expect(await server.ask(path, withByte(2, 0x81), 200)).toBeUndefined();
      expect(rcodeOf((await server.ask(path, withByte(2, 0x11)))!)).toBe(4);
      for (const opcode of [4, 5]) {
        const reply = (await server.ask(path, withByte(2, (opcode << 3) | 1, 'SOA')))!;
        // With its question, and without the bits that are about recursion (RFC 2136 section 2.2).
        expect([reply[2], reply[3], reply[5]]).toEqual([0x80 | (opcode << 3), 9, 1]);
      }
      expect(rcodeOf((await server.ask(path, withByte(5, 0)))!)).toBe(1);
      expect(rcodeOf((await server.ask(path, withByte(5, 2)))!)).toBe(1);
      expect(rcodeOf((await server.ask(path, makeQuery('a.example', { type: 'AXFR' })))!)).toBe(5);
      expect(server.asked).toBe(0);
      // Another class goes upstream and is never stored.
      const chaos = makeQuery('a.example');
      chaos[chaos.length - 1] = 3;
      await server.ask(path, chaos);
      await server.ask(path, chaos);
      expect(server.asked).toBe(2);
    },
  );

  rule(
    13,
    'ANY gets one record of its own, which answers no other type, where the name exists (RFC 8482 4; 7686 2)',
    async (ask, server) => {
      for (let i = 0; i < 3; i++) {
        const reply = decode(await ask('a.example', { type: 'ANY' }));
        expect(reply.answers).toHaveLength(1);
        expect(reply.answers![0].type).toBe('HINFO');
      }
      expect(server.asked).toBe(1);
      await ask('a.example', { type: 'HINFO' });
      expect(server.asked).toBe(2);
      for (const name of ['nx.example', 'x.onion', 'nx.example']) {
        expect(rcodeOf(await ask(name, { type: 'ANY' }))).toBe(3);
      }
      expect(server.asked).toBe(3);
      server.advance(60);
      expect(rcodeOf(await ask('nx.example', { type: 'ANY' }))).toBe(3);
      expect(server.asked).toBe(4);
    },
    query => {
      const { name } = decode(query).questions![0];
      if (name.toLowerCase() !== 'nx.example') return answerA(query);
      return makeResponse(query, { rcode: 3, authorities: [soa('example', 300, 60)] });
    },
  );

  rule(
    14,
    'a response with a compression loop is never stored nor passed on (RFC 9267)',
    async ask => {
      expect(rcodeOf(await ask('a.example'))).toBe(2);
    },
    query => {
      const response = makeResponse(query, {});
      const end = response.length;
      response.writeUInt16BE(1, 6);
      return Buffer.concat([
        response,
        Buffer.from([0xc0 | (end >> 8), end & 255, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4]),
      ]);
    },
    { upstream: { deadlineMs: 500 } },
  );

  rule(
    15,
    'negatives live min(SOA TTL, MINIMUM), NXDOMAIN by name, NODATA by type; without SOA not at all (RFC 2308 3, 5)',
    async (ask, server) => {
      expect(rcodeOf(await ask('nx.example'))).toBe(3);
      const again = await ask('nx.example');
      expect(rcodeOf(again)).toBe(3);
      for (const ttl of ttlsOf(again)) expect(ttl).toBeLessThanOrEqual(60);
      expect(server.asked).toBe(1);
      expect(rcodeOf(await ask('nx.example', { type: 'AAAA' }))).toBe(3);
      expect(rcodeOf(await ask('below.nx.example', { type: 'MX' }))).toBe(3); // RFC 8020 section 2
      expect(server.asked).toBe(1);
      server.advance(60);
      await ask('nx.example');
      expect(server.asked).toBe(2);
      await ask('nodata.example');
      await ask('nodata.example');
      expect(rcodeOf(await ask('nodata.example', { type: 'AAAA' }))).toBe(0);
      expect(server.asked).toBe(4);
      await ask('no-soa.example');
      await ask('no-soa.example');
      expect(server.asked).toBe(6);
    },
    query => {
      const { name } = decode(query).questions![0];
      if (name.toLowerCase() === 'no-soa.example') return makeResponse(query, { rcode: 3 });
      if (name.toLowerCase() === 'nodata.example')
        return makeResponse(query, { authorities: [soa('example', 300, 60)] });
      return makeResponse(query, { rcode: 3, authorities: [soa('example', 300, 60)] });
    },
    { stale: { enabled: false } },
  );

  rule(
    16,
    'TTL 0 serves those who wait and is never stored, under a minimum too; greater TTLs are capped (RFC 8767 4)',
    async (ask, server) => {
      expect(ttlsOf(await ask('zero.example'))).toEqual([0]);
      await ask('zero.example');
      expect(server.asked).toBe(2);
      for (let i = 0; i < 2; i++) expect(ttlsOf(await ask('huge.example'))[0]).toBeLessThanOrEqual(86_400);
    },
    query => answerA(query, decode(query).questions![0].name.toLowerCase() === 'zero.example' ? 0 : 0x7fff_ffff),
    { cache: { minTtlSeconds: 60 } },
  );

  let broken = false;
  rule(
    17,
    'after a failure an expired answer is served with TTL 30 and EDE 3, never after its window (RFC 8767 4-5)',
    async (ask, server) => {
      broken = false;
      await ask('a.example', EDNS);
      broken = true;
      server.advance(400);
      for (let i = 0; i < 2; i++) {
        const stale = await ask('a.example', EDNS);
        expect(rcodeOf(stale)).toBe(0);
        expect(ttlsOf(stale)).toEqual([30]);
        expect(extendedErrorsOf(stale)).toEqual([3]);
      }
      expect(server.asked).toBeLessThanOrEqual(7); // the first, and the tries of one refresh
      server.advance(4000);
      expect(rcodeOf(await ask('a.example', EDNS))).toBe(2);
    },
    query => {
      if (broken) throw new Error('connection refused');
      return answerA(query);
    },
    { stale: { windowSeconds: 3600 } },
  );

  rule(
    18,
    'failures are cached for 5 s and more, with EDE 13, and displace nothing (RFC 9520 3.2)',
    async (ask, server) => {
      expect(rcodeOf(await ask('bad.example', EDNS))).toBe(2);
      const { asked } = server;
      const cached = await ask('bad.example', EDNS);
      expect(rcodeOf(cached)).toBe(2);
      expect(extendedErrorsOf(cached)).toEqual([13]);
      expect(server.asked).toBe(asked);
      server.advance(6);
      await ask('bad.example', EDNS);
      expect(server.asked).toBeGreaterThan(asked);
    },
    query => makeResponse(query, { rcode: 2 }),
  );

  rule(
    19,
    'COOKIE and client subnet of one client never reach another; the subnet is stripped (RFC 7873; 7871)',
    async (ask, server) => {
      const options = [
        { code: 10, data: Buffer.from('0102030405060708', 'hex') },
        { code: 8, data: Buffer.from('00011800c63364', 'hex') },
      ];
      await ask('a.example', { options });
      const [opt] = decode(server.udp.asked[0].query).additionals as unknown as {
        options: { code: number; data: Buffer }[];
      }[];
      // The server's own cookie, of the client's half alone.
      expect(opt.options.map(({ code, data }) => [code, data.length])).toEqual([[10, 8]]);
      expect(opt.options[0].data).not.toEqual(options[0].data);
      await ask('a.example', EDNS);
      expect(server.asked).toBe(1);
    },
  );

  rule(
    20,
    'aliases come before their targets and records outside the chain are left out (RFC 1034 4.3.2; 2181 5.4.1)',
    async (ask, server) => {
      for (let i = 0; i < 2; i++) {
        const names = decode(await ask('a.example')).answers!.map(one => `${one.type} ${one.name.toLowerCase()}`);
        expect(names).toEqual(['CNAME a.example', 'A b.example']);
      }
      expect(server.asked).toBe(1);
    },
    query =>
      makeResponse(query, {
        answers: [
          { type: 'A', name: 'b.example', ttl: 60, data: '192.0.2.2' },
          { type: 'A', name: 'victim.test', ttl: 60, data: '203.0.113.66' },
          { type: 'CNAME', name: decode(query).questions![0].name, ttl: 60, data: 'b.example' },
        ],
      }),
  );
});
