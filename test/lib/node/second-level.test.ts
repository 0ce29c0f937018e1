// Programs whose lookups share what they find out.
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../lib/base/clock.js';
import { DnsClient } from '../../../lib/node/client.js';
import type { LookupOptions } from '../../../lib/node/options.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { FakeRedis } from '../../support/fake-redis.js';
import { FakeTransport, type Handler } from '../../support/fake-transport.js';
import { answerA } from '../../support/messages.js';
import { sleep } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const clients: DnsClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
const redis = new FakeRedis(systemClock);
const secondLevel = { redis: ['redis://fake'], secrets: ['a secret of thirty-two octets...'] };

function start(handler: Handler, options: LookupOptions = {}) {
  const udp = new FakeTransport(systemClock, handler);
  const client = new DnsClient(
    { servers: ['192.0.2.53'], resolvConf: false, hostsFile: false, secondLevel, ...options },
    { udpTransport: udp, tcpTransport: udp, connectRedis: () => redis.make },
  );
  clients.push(client);
  const address = async (name: string): Promise<string> =>
    client.query(name, 1, reply => Array.from(decodeMessage(reply).answers[0].data).join('.'));
  return { client, udp, address };
}

describe('the second level of lookups', () => {
  test('has what another program has asked for', async () => {
    const one = start(query => answerA(query, 300));
    await until(() => redis.commands.filter(name => name === 'TIME').length >= 2, 'the connections');
    await sleep(20);
    expect(await one.address('www.example')).toBe('192.0.2.1');
    await until(() => redis.values.size === 1, 'the write');
    const other = start(query => answerA(query, 300, '192.0.2.2'));
    await until(() => redis.commands.filter(name => name === 'TIME').length >= 4, 'the connections');
    await sleep(20);
    expect(await other.address('www.example')).toBe('192.0.2.1');
    expect(other.udp.asked).toHaveLength(0);
  });
  test('is waited for by nobody: until it is loaded and connected servers are asked', async () => {
    const one = start(query => answerA(query, 300, '192.0.2.3'));
    expect(await one.address('www.example')).toBe('192.0.2.3');
  });
  test.each<[unknown, RegExp]>([
    ['redis://a', /^secondLevel: expected an object such as \{ redis: \["redis:\/\/127\.0\.0\.1:6379"\] \}$/],
    [{}, /^secondLevel\.redis: expected a list of 1 to 32, got undefined$/],
    [{ redis: ['http://a'] }, /expected "redis:\/\/host:port" or "rediss:\/\/host:port" \(TLS\)/],
    [{ redis: ['redis://a', 'redis://b'] }, /expected one `redis`/],
    [{ redis: ['redis://a'], secrets: ['short'] }, /expected at most two texts of at least 16 octets/],
    [{ redis: ['redis://a'], more: 1 }, /^secondLevel\.more: is not an option$/],
    [{ redis: ['redis://a'], password: 12345 }, /^secondLevel\.password: expected a password$/],
    [{ redis: ['redis://a'], masterName: 'main' }, /^secondLevel\.masterName: expected a name with `mode: sentinel`/],
  ])('is refused where its option is %j', (given, message) => {
    const made = (): unknown => start(query => answerA(query), { secondLevel: given as never });
    expect(made).toThrow(message);
    expect(made).not.toThrow(/"short"/);
  });
  test('is refused beside `secure`', () => {
    expect(() => start(query => answerA(query), { secure: 'required' })).toThrow(
      'secondLevel: expected nothing beside `secure`',
    );
  });
});
