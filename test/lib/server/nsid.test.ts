// The server's name (NSID, RFC 5001): told to those who ask for it, on every way in, and to nobody else.
import { afterEach, describe, expect, test } from 'vitest';
import { readOptions, type ServerOptions } from '../../../lib/server/settings/settings.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, makeResponse, type QueryShape, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const NSID = 3;
const start = async (options: ServerOptions = {}): Promise<TestServer> =>
  (server = await TestServer.start(
    query => (decode(query).questions![0].name.startsWith('bad') ? makeResponse(query, { rcode: 2 }) : answerA(query)),
    { nsid: 'lax-7', ...options },
  ));
function nsidIn(reply: Buffer | undefined): string | undefined {
  const opt = decode(reply!).additionals?.find(one => one.type === 'OPT') as
    { options?: { code: number; data: Buffer }[] } | undefined;
  return opt?.options?.find(one => one.code === NSID)?.data.toString('latin1');
}
const asking: QueryShape = { options: [{ code: NSID, data: Buffer.alloc(0) }] };

describe.each(['native', 'dgram', 'tcp'] as const)('over %s', way => {
  const ask = async (name: string, shape: QueryShape = asking): Promise<Buffer | undefined> =>
    way === 'tcp'
      ? (await askTcp(server!.server.addresses().tcp[0], [makeQuery(name, shape)], 60_000))[0]
      : askUdp(server!.address, makeQuery(name, shape), 60_000);
  const open = (options: ServerOptions = {}) => start({ udp: way === 'dgram' ? 'dgram' : 'native', ...options });

  test('misses, hits, failures and refusals have it where it is asked for', async () => {
    await open();
    for (let round = 0; round < 2; round++) {
      expect(nsidIn(await ask('a.example'))).toBe('lax-7');
      const failure = await ask('bad.example');
      expect([rcodeOf(failure!), nsidIn(failure)]).toEqual([2, 'lax-7']);
    }
  });

  test('nobody else is told, and it is not kept with answers', async () => {
    await open();
    for (const shape of [{}, { edns: true }, { dnssecOk: true }, asking, { edns: true }]) {
      expect(nsidIn(await ask('a.example', shape))).toBe(shape === asking ? 'lax-7' : undefined);
    }
  });

  test('a question with much else in its OPT has it too, also from the miss ring', async () => {
    await open();
    const options = [...asking.options!, { code: 12, data: Buffer.alloc(600) }];
    expect(nsidIn(await ask('padded.example', { options }))).toBe('lax-7');
  });

  test('what the option brings is not looked at (RFC 5001 section 2.1), and cookies go with it', async () => {
    await open({ cookies: { enabled: true } });
    const options = [
      { code: NSID, data: Buffer.from('you') },
      { code: 10, data: Buffer.alloc(8, 7) },
    ];
    for (let round = 0; round < 2; round++) expect(nsidIn(await ask('a.example', { options }))).toBe('lax-7');
  });

  test('a change holds from the next query on', async () => {
    await open();
    await server!.server.update({ nsid: '0x00ff' });
    expect(nsidIn(await ask('a.example'))).toBe('\x00\xff');
  });
});

test('without it nothing is told', async () => {
  await start({ nsid: undefined });
  for (let round = 0; round < 2; round++) {
    expect(nsidIn(await askUdp(server!.address, makeQuery('a.example', asking)))).toBeUndefined();
  }
});

test('a name that is none is refused with its value', () => {
  expect(() => readOptions({ nsid: '' })).toThrow(/nsid: expected 1 to 128 octets/);
  expect(() => readOptions({ nsid: 'x'.repeat(129) })).toThrow(/nsid: expected 1 to 128 octets.*xxx/);
  expect(readOptions({ nsid: '0xab' }).nsid).toBe('0xab');
});
