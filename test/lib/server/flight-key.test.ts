// One flight for one question, on the native plane and in JavaScript alike.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { Engine, PLAIN_TUNABLES } from '../../../lib/cache/engine.js';
import { NO_EXTENDED_ERROR } from '../../../lib/native/binding.js';
import { flightKey, isSameQuestion } from '../../../lib/resolve/flight-key.js';
import { Query } from '../../../lib/wire/query.js';
import { askUdp } from '../../support/client.js';
import { answerA, flagsOf, makeQuery } from '../../support/messages.js';
import { createPlane } from '../../support/plane.js';
import { TestServer } from '../../support/test-server.js';

const subnetOption = (family: 1 | 2, prefix: number, first: number): { code: number; data: Buffer } => {
  const octets = Buffer.alloc(Math.ceil(prefix / 8));
  if (octets.length > 0) octets[0] = first;
  if (prefix % 8 !== 0) octets[octets.length - 1] &= 0xff00 >> (prefix % 8);
  return { code: 8, data: Buffer.concat([Buffer.from([0, family, prefix, 0]), octets]) };
};
const PADDING = { code: 12, data: Buffer.alloc(520) }; // more than the ring keeps of a packet

const question = fc.record({
  name: fc.constantFrom('a.example', 'A.exAMple', 'b.example', 'a.a.example'),
  type: fc.constantFrom('A', 'AAAA'),
  rd: fc.boolean(),
  ad: fc.boolean(),
  cd: fc.boolean(),
  dnssecOk: fc.boolean(),
  subnet: fc.option(
    fc.record({
      family: fc.constantFrom(1 as const, 2 as const),
      prefix: fc.constantFrom(0, 7, 8, 24),
      first: fc.constantFrom(10, 128),
    }),
  ),
  padded: fc.boolean(),
});

let engine: Engine | undefined;
afterEach(() => {
  engine?.close();
  engine = undefined;
});

test.each([false, true])(
  'the ring and the resolver agree which questions are one (subnets forwarded: %s)',
  async forward => {
    engine = new Engine({ memoryBytes: 2 ** 20, shards: 1, policy: 's3fifo', averageEntryBytes: 184 });
    engine.configure({ ...PLAIN_TUNABLES, clientSubnet: forward ? 1 : 0 });
    const plane = createPlane(engine, { flights: 1024, waiters: 16_384 });
    const client = createSocket('udp4');
    await new Promise<void>(resolve => client.connect(plane.port, '127.0.0.1', resolve));
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(question, { minLength: 2, maxLength: 64 }), async shapes => {
          const byKey = new Map<string, number[]>();
          const queries = shapes.map(({ name, subnet, padded, ...shape }, id) => {
            const options = [
              ...(subnet === null ? [] : [subnetOption(subnet.family, subnet.prefix, subnet.first)]),
              ...(padded ? [PADDING] : []),
            ];
            const query = makeQuery(name, { ...shape, id, ...(options.length > 0 ? { options } : {}) });
            const key = flightKey(new Query(query), 0, forward);
            byKey.set(key, [...(byKey.get(key) ?? []), id]);
            return query;
          });
          for (const query of queries) client.send(query);
          await expect.poll(() => plane.stats().waiting, { interval: 1 }).toBe(queries.length);
          // Whose replies one ticket brings were in one flight.
          const joined: number[][] = [];
          for (const ticket of plane.flights()) {
            const ids: number[] = [];
            const replied = (reply: Buffer): number => ids.push(reply.readUInt16BE(0));
            client.on('message', replied);
            const before = plane.stats().sent;
            plane.native.replyError(ticket, 2, NO_EXTENDED_ERROR, '');
            plane.native.flush();
            const sent = plane.stats().sent - before;
            while (ids.length < sent) await once(client, 'message');
            client.off('message', replied);
            joined.push(ids.sort((a, b) => a - b));
          }
          const order = (a: number[], b: number[]): number => a[0] - b[0];
          expect(joined.sort(order)).toEqual([...byKey.values()].sort(order));
        }),
        { numRuns: 40 },
      );
    } finally {
      client.close();
      plane.native.close();
    }
  },
);

describe.each(['native', 'dgram'] as const)('over %s', udp => {
  let server: TestServer;
  afterEach(() => server.close());
  const start = async (options = {}): Promise<() => void> => {
    let release = (): void => undefined;
    const released = new Promise<void>(resolve => (release = resolve));
    server = await TestServer.start(
      async query => {
        await released;
        const response = answerA(query);
        if (new Query(query).authenticData) response[3] |= 0x20;
        return response;
      },
      { udp, upstream: { hedge: false, ...options } },
    );
    server.server.upstreams[0].succeeded(3000); // a server known to be slow is not asked twice
    return release;
  };

  test('who asked with AD is not told what a query without it got, nor the other way round', async () => {
    const release = await start();
    const [plain, wanting] = [{}, { ad: true }].map(shape => askUdp(server.address, makeQuery('a.example', shape)));
    await expect.poll(() => server.asked).toBe(2);
    release();
    expect(flagsOf((await plain)!) & 0x20).toBe(0);
    expect(flagsOf((await wanting)!) & 0x20).toBe(0x20);
  });

  test.each([
    ['strip', 1],
    ['forward', 8],
  ] as const)(
    'queries that differ in their client subnet only, %s: %i upstream queries',
    async (clientSubnet, queries) => {
      const release = await start({ clientSubnet });
      const replies = Array.from({ length: 8 }, (_, i) =>
        askUdp(server.address, makeQuery('a.example', { options: [subnetOption(1, 24, i)] })),
      );
      await expect.poll(() => server.server.resolver.stats.resolved).toBe(queries);
      await expect
        .poll(() => server.server.resolver.stats.coalesced + (server.server.plane?.stats().joined ?? 0))
        .toBe(8 - queries);
      release();
      expect((await Promise.all(replies)).every(reply => reply !== undefined)).toBe(true);
      expect(server.asked).toBe(queries);
    },
  );
});

test.each([false, true])('what is one question is one key (subnets forwarded: %s)', forward => {
  fc.assert(
    fc.property(question, question, (one, other) => {
      const [a, b] = [one, other].map(({ name, subnet, padded: _, ...shape }) => {
        const options = subnet === null ? [] : [subnetOption(subnet.family, subnet.prefix, subnet.first)];
        return new Query(makeQuery(name, { ...shape, ...(options.length > 0 ? { options } : {}) }));
      });
      expect(isSameQuestion(a, b, forward)).toBe(flightKey(a, 0, forward) === flightKey(b, 0, forward));
    }),
  );
});
