// EDNS options that pass through: the client's subnet with the scope of its answer, and the upstream's extended errors.
import { afterEach, expect, test } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { askTcp, askUdp } from '../../support/client.js';
import { answerA, decode, makeQuery, makeResponse, rcodeOf } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let server: TestServer;
afterEach(() => server.close());

const SUBNET = 8;
const EXTENDED_ERROR = 15;
type Option = { code: number; data: Buffer };

/** A response with these options in its OPT. */
function withOptions(response: Buffer, options: Option[]): Buffer {
  const encoded = Buffer.concat(
    options.map(({ code, data }) => Buffer.concat([Buffer.from([0, code, 0, data.length]), data])),
  );
  const copy = Buffer.concat([response, Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, encoded.length]), encoded]);
  copy.writeUInt16BE(copy.readUInt16BE(10) + 1, 10);
  return copy;
}
async function start(options: Option[], settings: ServerOptions = {}, rcode = 0): Promise<void> {
  server = await TestServer.start(
    query => withOptions(rcode === 0 ? answerA(query, 300, '192.0.2.1') : makeResponse(query, { rcode }), options),
    settings,
  );
}
function optionIn(reply: Buffer | undefined, code: number): string | undefined {
  const opt = decode(reply!).additionals!.find(one => one.type === 'OPT') as { options?: Option[] } | undefined;
  return opt?.options?.find(one => one.code === code)?.data.toString('hex');
}
const fromSubnet = makeQuery('geo.example', {
  options: [{ code: SUBNET, data: Buffer.from([0, 1, 24, 0, 198, 51, 100]) }],
});

test('a forwarded client subnet comes back with its scope, from the upstream and from the cache (RFC 7871 7.2.1)', async () => {
  await start([{ code: SUBNET, data: Buffer.from([0, 1, 24, 16, 198, 51, 100]) }], {
    upstream: { clientSubnet: 'forward' },
  });
  for (let round = 0; round < 2; round++) {
    expect(optionIn(await askUdp(server.address, fromSubnet), SUBNET)).toBe('00011810c63364');
  }
  expect(server.asked).toBe(1);
  expect(optionIn(await askUdp(server.address, makeQuery('geo.example', { edns: true })), SUBNET)).toBeUndefined();
});

test('an answer for everybody has scope 0', async () => {
  await start([], { upstream: { clientSubnet: 'forward' } });
  for (let round = 0; round < 2; round++) {
    expect(optionIn(await askUdp(server.address, fromSubnet), SUBNET)).toBe('00011800c63364');
  }
});

test('a stripped client subnet is not answered', async () => {
  await start([]);
  expect(optionIn(await askUdp(server.address, fromSubnet), SUBNET)).toBeUndefined();
});

test("the upstream's extended error reaches those who wait (RFC 8914)", async () => {
  await start([{ code: EXTENDED_ERROR, data: Buffer.from([0, 6, 0x78]) }], {}, 2);
  const reply = await askUdp(server.address, makeQuery('bogus.example', { edns: true }), 60_000);
  expect(optionIn(reply, EXTENDED_ERROR)).toBe('0006');
});

const KEEPALIVE = 11;
const asksKeepalive = (data: Buffer): Buffer => makeQuery('a.example', { options: [{ code: KEEPALIVE, data }] });

test('over TCP, who asks for it is told how long an idle connection stays open, from then on (RFC 7828)', async () => {
  await start([], { tcp: { idleTimeoutMs: 30_000 } });
  const tcp = server.server.addresses().tcp[0];
  const plain = makeQuery('a.example', { edns: true });
  const replies = await askTcp(tcp, [asksKeepalive(Buffer.alloc(0)), plain, makeQuery('a.example')]);
  expect(replies.map(reply => optionIn(reply, KEEPALIVE)).sort()).toEqual(['012c', '012c', undefined]);
  expect(optionIn((await askTcp(tcp, [plain]))[0], KEEPALIVE)).toBeUndefined();
});

test('octets of an answer that look like an OPT are left alone where the client has none', async () => {
  const looksLikeOpt = Buffer.from([3, 0x41, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
  server = await TestServer.start(query =>
    makeResponse(query, { answers: [{ type: 'NULL', name: 'odd.example', ttl: 300, data: looksLikeOpt }] }),
  );
  const plain = makeQuery('odd.example', { type: 'NULL' });
  const replies = await askTcp(server.server.addresses().tcp[0], [asksKeepalive(Buffer.alloc(0)), plain]);
  const odd = decode(replies.find(one => decode(one).questions![0].name === 'odd.example')!);
  expect((odd.answers![0] as { data: Buffer }).data).toEqual(looksLikeOpt);
});

test('a time from a client is a format error, over UDP the option is ignored, and it can be switched off', async () => {
  await start([]);
  const tcp = (): string => server.server.addresses().tcp[0];
  const wrong = asksKeepalive(Buffer.from([0, 255]));
  expect(rcodeOf((await askTcp(tcp(), [wrong]))[0])).toBe(1);
  const overUdp = await askUdp(server.address, wrong);
  expect(rcodeOf(overUdp!)).toBe(0);
  expect(optionIn(overUdp, KEEPALIVE)).toBeUndefined();
  await server.server.update({ tcp: { keepalive: false } });
  expect(optionIn((await askTcp(tcp(), [asksKeepalive(Buffer.alloc(0))]))[0], KEEPALIVE)).toBeUndefined();
});

const askedFrom = async (subnet: number[], name = 'geo.example'): Promise<string | undefined> => {
  const options = [{ code: SUBNET, data: Buffer.from(subnet) }];
  await askUdp(server.address, makeQuery(name, { options }));
  return optionIn(Buffer.from(server.udp.asked.at(-1)!.query), SUBNET);
};

test('no more of a subnet goes than is allowed, and what is kept is for that much of it (RFC 7871 section 11.1)', async () => {
  await start([{ code: SUBNET, data: Buffer.from([0, 1, 20, 20, 198, 51, 96]) }], {
    upstream: { clientSubnet: 'forward', subnetIpv4Prefix: 20, subnetIpv6Prefix: 32 },
  });
  expect(await askedFrom([0, 1, 32, 0, 198, 51, 100, 7])).toBe('00011400c63360');
  expect(server.asked).toBe(1);
  const near = makeQuery('geo.example', {
    options: [{ code: SUBNET, data: Buffer.from([0, 1, 32, 0, 198, 51, 101, 9]) }],
  });
  expect(optionIn(await askUdp(server.address, near), SUBNET)).toBe('00012014c6336509');
  expect(server.asked).toBe(1);
  expect(await askedFrom([0, 1, 16, 0, 203, 0])).toBe('00011000cb00');
  expect(await askedFrom([0, 2, 56, 0, 0x20, 1, 0x0d, 0xb8, 1, 2, 3])).toBe('0002200020010db8');
});

test('subnets of private networks do not go, and who tells nothing of his is obeyed (section 7.1.2)', async () => {
  await start([], { upstream: { clientSubnet: 'forward' } });
  expect(await askedFrom([0, 1, 24, 0, 10, 0, 3], 'a.example')).toBeUndefined();
  expect(await askedFrom([0, 1, 24, 0, 192, 168, 3], 'b.example')).toBeUndefined();
  expect(await askedFrom([0, 2, 8, 0, 0xfd], 'c.example')).toBeUndefined();
  expect(await askedFrom([0, 1, 0, 0], 'd.example')).toBe('00010000');
});

test('where names are given, subnets go at and below these alone', async () => {
  await start([], { upstream: { clientSubnet: 'forward', subnetNames: ['cdn.example'] } });
  expect(await askedFrom([0, 1, 24, 0, 198, 51, 100], 'Www.CDN.example')).toBe('00011800c63364');
  expect(await askedFrom([0, 1, 24, 0, 198, 51, 100], 'cdn.example')).toBe('00011800c63364');
  expect(await askedFrom([0, 1, 24, 0, 198, 51, 100], 'other.example')).toBeUndefined();
  expect(await askedFrom([0, 1, 24, 0, 198, 51, 100], 'xcdn.example')).toBeUndefined();
});
