// Which of an endpoint's two families is tried first, by `prefer`.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { RecordSource } from '../../../lib/discovery/records/source.js';
import { Type } from '../../../lib/wire/iana.js';
import { encodeRecord } from '../../../lib/wire/record.js';
import { backend } from '../../support/backends.js';
import { ServiceDns } from '../../support/service-dns.js';

const NAME = '_http._tcp.orders.example';

describe('addresses', () => {
  let dns: ServiceDns;
  beforeEach(() => {
    dns = new ServiceDns();
    dns.names.set(NAME, [['SRV', '0 0 80 a.example.']]);
    dns.additional.set(NAME, [
      ['a.example', ['A', '10.0.0.1']],
      ['a.example', ['A', '10.0.0.2']],
      ['a.example', ['AAAA', '2001:db8::1']],
    ]);
  });
  afterEach(() => dns.close());

  test.each<[DiscoverOptions['prefer'], string[]]>([
    ['system', ['2001:db8::1', '10.0.0.1', '10.0.0.2']],
    ['ipv6', ['2001:db8::1', '10.0.0.1', '10.0.0.2']],
    ['ipv4', ['10.0.0.1', '10.0.0.2', '2001:db8::1']],
    ['fastest', ['2001:db8::1', '10.0.0.1', '10.0.0.2']],
  ])('with `prefer: %j`, none left out', async (prefer, addresses) => {
    const service = await dns.discover(NAME, { prefer });
    expect(service.endpoints[0]).toMatchObject({ addresses, address: addresses[0] });
  });
  test('the family stays in front when addresses change, as long as there is one of it', async () => {
    const service = await dns.discover(NAME, { prefer: 'ipv4' });
    dns.additional.set(NAME, [
      ['a.example', ['AAAA', '2001:db8::2']],
      ['a.example', ['A', '10.0.0.9']],
    ]);
    await dns.advance(6000);
    expect(service.endpoints[0].addresses).toEqual(['10.0.0.9', '2001:db8::2']);
    dns.additional.set(NAME, [['a.example', ['AAAA', '2001:db8::3']]]);
    await dns.advance(6000);
    expect(service.endpoints[0]).toMatchObject({ address: '2001:db8::3', family: 6 });
  });
});

test.each([
  ['fastest', 4],
  ['system', 6],
] as const)(
  'an endpoint that listens in one family only is reached, and with %j that one is first then',
  async (prefer, family) => {
    const one = await backend('a');
    const record = (name: string, type: 'SRV' | 'A' | 'AAAA', data: string) =>
      encodeRecord({ name, type, ttl: 600, data });
    const source: RecordSource = {
      proves: false,
      ask: (name, type) => ({
        missing: type !== Type.SRV,
        answers: type === Type.SRV ? [record(name, 'SRV', `0 1 ${one.port} a.example.`)] : [],
        authorities: [],
        // Nobody listens there.
        additionals: [record('a.example', 'AAAA', '::1'), record('a.example', 'A', '127.0.0.1')],
        unproven: undefined,
      }),
      sort: addresses => [...addresses],
    };
    const service = await discover(NAME, { prefer }, { source });
    try {
      expect(service.endpoints[0].family).toBe(6);
      const socket = await service.connect();
      expect(socket.remoteAddress).toBe('127.0.0.1');
      expect(service.endpoints[0].family).toBe(family);
      socket.destroy();
    } finally {
      service.close();
      await one.kill();
    }
  },
);
