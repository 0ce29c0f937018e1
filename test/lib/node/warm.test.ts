// CachedLookup.warm(): what counts as failed.
import dnsPacket from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { CachedLookup } from '../../../lib/node/cached-lookup.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeTransport } from '../../support/fake-transport.js';
import { answerA, makeResponse, soa } from '../../support/messages.js';

const open: CachedLookup[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

test('a name whose failure is remembered has failed again; a denial is an answer', async () => {
  const clock = new FakeClock();
  const transport = new FakeTransport(clock, query => {
    const { name } = dnsPacket.decode(query).questions![0];
    if (name.startsWith('silent')) return undefined;
    if (name.startsWith('failing')) return makeResponse(query, { rcode: 2 });
    return name.startsWith('missing')
      ? makeResponse(query, { rcode: 3, authorities: [soa('example', 600)] })
      : answerA(query, 300);
  });
  const one = new CachedLookup(
    {
      memory: '1MiB',
      resolvConf: false,
      hostsFile: false,
      servers: ['192.0.2.53'],
      timeoutMs: 500,
      letterCase: 'never',
    },
    { clock, udpTransport: transport, tcpTransport: transport },
  );
  open.push(one);
  const warmed = async () => {
    const names = ['failing.example A', 'silent.example A', 'missing.example A', 'good.example A'];
    const done = one.warm(names, { perSecond: 1000 });
    await clock.advance(700);
    return done;
  };
  expect(await warmed()).toEqual({ total: 4, done: 4, failed: 2 });
  const asked = transport.asked.length;
  expect(await warmed()).toEqual({ total: 4, done: 4, failed: 2 });
  expect(transport.asked.length).toBe(asked);
});
