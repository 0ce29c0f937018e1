// Upstreams by name whose addresses or ways were told wrongly, and for long: they are asked for again when nobody answers
// there, and by that nobody is asked in another way than before.
import { expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { readOptions } from '../../../lib/server/settings/settings.js';
import { UpstreamGroups } from '../../../lib/server/upstream-groups.js';
import type { Exchanger } from '../../../lib/upstream/exchange.js';
import type { Upstream } from '../../../lib/upstream/upstream.js';
import { Class, Rcode, Type } from '../../../lib/wire/iana.js';
import { buildResponse, decodeMessage } from '../../../lib/wire/message.js';
import { encodeData } from '../../../lib/wire/record.js';
import { FakeClock } from '../../support/fake-clock.js';

test.each([
  ['its way', 'names', '1 . alpn=dot ipv4hint=192.0.2.66', '1 . alpn=dot ipv4hint=192.0.2.1'],
  ['a target of its way that has no address', 'names', '1 nowhere.test. alpn=dot', '1 . alpn=dot ipv4hint=192.0.2.1'],
  ['its address', 'never', '192.0.2.66', '192.0.2.1'],
] as const)('%s, told wrongly for a day, is found within half a minute', async (_, discover, forged, right) => {
  const clock = new FakeClock();
  let said: string = forged;
  const exchange = (query: Uint8Array) => {
    const { question } = decodeMessage(Uint8Array.from(query));
    const { name, type } = question!;
    const data =
      type === Type.SVCB ? encodeData('SVCB', said) : type === Type.A && discover === 'never' && encodeData('A', said);
    const answers = data ? [{ name, type, dnsClass: Class.IN, ttl: 86_400, data }] : [];
    const asking = { message: Uint8Array.from(query), ...question! };
    return Promise.resolve({ response: buildResponse(asking, { rcode: Rcode.NOERROR, answers })! });
  };
  const groups = new UpstreamGroups({ clock, log: silentLogger, exchanger: { exchange } as unknown as Exchanger });
  let now: readonly Upstream[] = [];
  const use = (all: ReadonlyMap<string, readonly Upstream[]>): void => {
    now = [...all.values()][0];
  };
  groups.changed = use;
  use(
    groups.use(
      readOptions({
        upstreams: [discover === 'never' ? 'tls://dns.example' : 'dns.example'],
        upstream: { discover, bootstrap: ['192.0.2.53'] },
      }),
    ),
  );
  await groups.begin();
  const isForged = (): boolean => now.every(one => one.at.address === '192.0.2.66');
  expect(isForged()).toBe(true);
  said = right;
  for (const one of now) for (let i = 0; i < 3; i++) one.failed('failure');
  await clock.advance(30_000);
  expect(now.map(one => [one.scheme, one.at.address, one.at.tls?.name])).toEqual([['tls', '192.0.2.1', 'dns.example']]);
  groups.close();
});
