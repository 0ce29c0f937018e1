// Whoever owns the zone of one target, of one instance, or of a service, and what they cannot do by it: be connected to
// elsewhere than an endpoint says, speak for others, take others down with them, or make this process ask or hold ever more.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { discover } from '../../../lib/discovery/discover.js';
import type { Endpoint } from '../../../lib/discovery/endpoint.js';
import type { DiscoverOptions } from '../../../lib/discovery/options.js';
import type { RecordSource } from '../../../lib/discovery/records/source.js';
import type { Service } from '../../../lib/discovery/service.js';
import { QueryFailure } from '../../../lib/node/errors.js';
import { typeName, type TypeName } from '../../../lib/wire/iana.js';
import { encodeRecord } from '../../../lib/wire/record.js';
import { FakeClock, settle } from '../../support/fake-clock.js';

type Line = [name: string, type: TypeName, data: string];
interface Said {
  lines?: Line[];
  along?: Line[];
  ttl?: number;
  /** Why it is not proven. */
  unproven?: string;
  /** `late`: nobody says anything for longer than anybody waits, not even that there is no answer. */
  fails?: 'bogus' | 'silence' | 'late';
}
/** By name and type; what is not said is "no such record". */
type Say = (name: string, type: TypeName) => Said | undefined;

/** In which a client gives up a question, as by resolv.conf. */
const PATIENCE_MS = 10_000;

class World {
  readonly clock = new FakeClock();
  asked: string[] = [];
  constructor(
    public say: Say,
    readonly proves = false,
  ) {}

  async discover(name: string, options: DiscoverOptions = {}): Promise<Service> {
    const source: RecordSource = {
      proves: this.proves,
      // Later, as what is not in a cache.
      ask: async (asked, number) => {
        const type = typeName(number) as TypeName;
        const text = asked.replace(/\.$/, '').toLowerCase();
        this.asked.push(`${text} ${type}`);
        await Promise.resolve();
        const { lines = [], along = [], ttl = 5, unproven, fails } = this.say(text, type) ?? {};
        if (fails === 'bogus') throw new QueryFailure('ESERVFAIL', { reason: 'bogus', isBogus: true });
        if (fails === 'silence') throw new QueryFailure('ETIMEOUT');
        if (fails === 'late') {
          await new Promise<void>(resolve => this.clock.after(PATIENCE_MS, resolve));
          throw new QueryFailure('ETIMEOUT');
        }
        const record = ([owner, of, data]: Line) => encodeRecord({ name: owner, type: of, ttl, data });
        return {
          missing: false,
          answers: lines.map(record),
          authorities: lines.length > 0 ? [] : [record(['example', 'SOA', `ns.example. a.example. 1 2 3 4 ${ttl}`])],
          additionals: along.map(record),
          unproven: unproven === undefined ? undefined : { reason: unproven },
        };
      },
      sort: addresses => [...addresses],
    };
    const pending = discover(name, { slowStartMs: 0, ...options }, { source, clock: this.clock });
    pending.catch(() => {});
    await settle();
    return pending;
  }
}

const NAME = '_http._tcp.orders.example';
const hosts = (service: Service): string[] => service.endpoints.map(one => one.host).sort();
/** A and nothing else for a host; SRV for the service's name. */
const addressed =
  (srv: () => string[], more: Say = () => undefined): Say =>
  (name, type) => {
    const said = more(name, type);
    if (said !== undefined) return said;
    if (type === 'SRV' && name === NAME) return { lines: srv().map(data => [name, type, data]) };
    return type === 'A' ? { lines: [[name, type, '10.0.0.1']] } : undefined;
  };

describe('targets that are no host names', () => {
  // `net.connect` takes an address for an address, and asks no lookup: the filter would have seen others.
  test.each(['127.0.0.1', '169.254.169.254', '::1', '127.1', '0x7f000001', '10.0.0.300'])(
    'an address in the place of a name (%s) is no endpoint, whatever addresses come along',
    async target => {
      const lines: Line[] = [
        [NAME, 'SRV', `0 0 80 ${target}.`],
        [NAME, 'SRV', '0 0 80 good.example.'],
      ];
      const along: Line[] = [[target, 'A', '203.0.113.5']];
      const world = new World((name, type) =>
        type === 'SRV' ? { lines, along } : type === 'A' ? { lines: [[name, 'A', '203.0.113.6']] } : undefined,
      );
      const service = await world.discover(NAME);
      expect(hosts(service)).toEqual(['good.example']);
      expect(service.report().ignored.unusable).toBe(1);
      service.close();
    },
  );
  test.each([
    'a/b.example',
    'a\\032b.example',
    'a\\010b.example',
    'a#b',
    'a%2fb',
    'a?b',
    'x\\@y',
    'xn--a',
    '<b>.example',
  ])('%s is none either: it would be read in URLs, logs and pages', async target => {
    const world = new World(addressed(() => [`0 0 80 ${target}.`, '0 0 80 good.example.']));
    const service = await world.discover(NAME);
    expect(hosts(service)).toEqual(['good.example']);
    service.close();
  });
  test('nor behind HTTPS records, with hints for addresses', async () => {
    const world = new World((name, type) => {
      if (type === 'A' && name === 'good.example') return { lines: [[name, 'A', '203.0.113.6']] };
      if (type !== 'HTTPS') return undefined;
      return {
        lines: [
          [name, 'HTTPS', '1 169.254.169.254. ipv4hint=203.0.113.5'],
          [name, 'HTTPS', '1 good.example. port=80'],
        ],
      };
    });
    const service = await world.discover('orders.example');
    expect(hosts(service)).toEqual(['good.example']);
    service.close();
  });
  test('names of clusters are host names', async () => {
    const names = ['my_pod-0.orders.shop.svc.cluster.local', 'xn--bcher-kva.example', '10-0-0-1.a.example', 'a1'];
    const world = new World(addressed(() => names.map(one => `0 0 80 ${one}.`)));
    const service = await world.discover(NAME);
    expect(hosts(service)).toEqual([...names].sort());
    service.close();
  });
});

test('an alias of HTTPS records leads to no host outside of `within`', async () => {
  const world = new World((name, type) => {
    if (type === 'HTTPS' && name === 'orders.shop.example') return { lines: [[name, 'HTTPS', '0 evil.test.']] };
    return type === 'A' ? { lines: [[name, 'A', '10.6.6.6']] } : undefined;
  });
  await expect(world.discover('orders.shop.example', { servername: 'target' })).rejects.toThrow(
    /outside of shop.example/,
  );
  const free = await world.discover('orders.shop.example');
  expect(hosts(free)).toEqual(['evil.test']);
  free.close();
});

describe('HTTPS records that nobody answers for any more', () => {
  const say: Say = (name, type) => {
    if (type === 'HTTPS') return { lines: [[name, 'HTTPS', '1 . port=8443']] };
    return type === 'A' ? { lines: [[name, 'A', '10.0.0.1']] } : undefined;
  };
  const silent: Say = (name, type) => (type === 'HTTPS' ? { fails: 'silence' } : say(name, type));
  test('are what holds, once they were there: their failure is no reason to go to the port of addresses', async () => {
    const world = new World(say);
    const service = await world.discover('orders.example');
    world.say = silent;
    await world.clock.advance(60_000);
    expect(service.endpoints.map(one => one.port)).toEqual([8443]);
    expect(service.stale).toBe(true);
    service.close();
  });
  test('are not passed over where all has to be proven (RFC 9460 section 3.1)', async () => {
    const required = new World(silent, true).discover('orders.example', { secure: 'required', ready: false });
    const service = await required;
    expect([service.size, service.problem?.category]).toEqual([0, 'transient']);
    service.close();
    const plain = await new World(silent).discover('orders.example');
    expect(plain.endpoints.map(one => one.port)).toEqual([443]);
    plain.close();
  });
});

describe('one instance of DNS-SD', () => {
  const listed: Line[] = [
    [NAME, 'PTR', `good.${NAME}.`],
    [NAME, 'PTR', 'evil._http._tcp.evil.test.'],
  ];
  const good = `good.${NAME}`;
  const evil = 'evil._http._tcp.evil.test';
  const say =
    (own: Say): Say =>
    (name, type) => {
      if (name === NAME && type === 'PTR') return { lines: listed };
      const said = own(name, type);
      if (said !== undefined) return said;
      if (name === good && type === 'SRV') return { lines: [[good, 'SRV', '5 5 80 host.orders.example.']] };
      if (name === good && type === 'TXT') return { lines: [[good, 'TXT', 'version=2']] };
      return type === 'A' && name.endsWith('example') ? { lines: [[name, 'A', '10.0.0.1']] } : undefined;
    };

  test('says nothing of a host that is another’s: neither its addresses nor its metadata nor its priority', async () => {
    const world = new World(
      say((name, type) => {
        if (name !== evil) return undefined;
        if (type === 'TXT') return { lines: [[evil, 'TXT', 'version=6']] };
        return {
          lines: [
            [evil, 'SRV', '0 9 80 host.orders.example.'],
            [evil, 'SRV', '0 9 81 host.orders.example.'],
          ],
          along: [['host.orders.example', 'A', '10.6.6.6']],
        };
      }),
    );
    const service = await world.discover(NAME, { records: 'dns-sd' });
    const one = service.endpoints.find(({ port }) => port === 80)!;
    expect(one).toMatchObject({ addresses: ['10.0.0.1'], priority: 5, weight: 5, instance: 'good' });
    expect({ ...one.metadata }).toEqual({ version: '2' });
    expect(service.endpoints.every(({ address }) => address === '10.0.0.1')).toBe(true);
    service.close();
  });
  test('whose servers fail keeps what is known of it, and takes nobody with it', async () => {
    let failing = '';
    const world = new World(say((name, type) => (failing === `${name} ${type}` ? { fails: 'silence' } : undefined)));
    const service = await world.discover(NAME, { records: 'dns-sd', where: { version: '2' } });
    for (const question of [`${good} SRV`, `${good} TXT`]) {
      failing = question;
      await world.clock.advance(120_000);
      expect(hosts(service)).toEqual(['host.orders.example']);
    }
    service.close();
  });
  test('has a few records at most, however many an answer has', async () => {
    const many = Array.from({ length: 3000 }, (_, i): Line => [evil, 'SRV', `${i} 0 ${i + 1} a.evil.test.`]);
    const world = new World(
      say((name, type) => {
        if (name === evil && type === 'SRV') return { lines: many, along: [['a.evil.test', 'A', '10.6.6.6']] };
        return undefined;
      }),
    );
    const service = await world.discover(NAME, { records: 'dns-sd' });
    expect(service.size).toBeLessThanOrEqual(17);
    expect(service.endpoints.find(one => one.port === 1)?.address).toBe('10.6.6.6');
    service.close();
  });
});

describe('texts of targets', () => {
  const texted = (said: () => Said): Say =>
    addressed(
      () => ['0 0 80 a.example.', '0 0 80 b.example.'],
      (name, type) => {
        if (type !== 'TXT') return undefined;
        return name === 'a.example' ? said() : { lines: [[name, 'TXT', 'version=2']] };
      },
    );
  test('that nobody can tell now are what they were; of a new target they are waited for', async () => {
    let said: Said = { lines: [['a.example', 'TXT', 'version=2']] };
    const world = new World(texted(() => said));
    const options = { texts: true, where: { version: '2' } };
    const service = await world.discover(NAME, options);
    expect(hosts(service)).toEqual(['a.example', 'b.example']);
    said = { fails: 'silence' };
    await world.clock.advance(120_000);
    expect(hosts(service)).toEqual(['a.example', 'b.example']);
    service.close();
    // A filter that shuts out what has a mark must not take those for unmarked whose marks were held back.
    const unmarked = await world.discover(NAME, { texts: true, filter: ({ metadata }) => metadata.canary !== 'yes' });
    expect(hosts(unmarked)).toEqual(['b.example']);
    unmarked.close();
  });
  test.each(['bogus', 'unsigned'] as const)('that are %s are none: `required` takes no such target', async kind => {
    const said: Said =
      kind === 'bogus'
        ? { fails: 'bogus' }
        : { lines: [['a.example', 'TXT', 'version=2']], unproven: 'no zone has signed it' };
    const required = await new World(
      texted(() => said),
      true,
    ).discover(NAME, { texts: true, secure: 'required' });
    expect(hosts(required)).toEqual(['b.example']);
    required.close();
  });
  test('that are not proven make no endpoint secure', async () => {
    const said: Said = { lines: [['a.example', 'TXT', 'version=2']], unproven: 'no zone has signed it' };
    const world = new World(
      texted(() => said),
      true,
    );
    const service = await world.discover(NAME, { texts: true, secure: 'report' });
    expect(service.endpoints.map(({ host, secure }) => [host, secure])).toEqual([
      ['a.example', false],
      ['b.example', true],
    ]);
    expect(service.secure).toBe(false);
    service.close();
  });
});

describe('a target whose zone does not prove it, where all has to be proven', () => {
  test.each(['bogus', 'unsigned'] as const)('%s: costs that target, and no other', async kind => {
    let bad = '';
    const world = new World(
      addressed(
        () => ['0 0 80 a.example.', '0 0 80 evil.test.'],
        (name, type) => {
          if (name !== bad) return undefined;
          if (kind === 'bogus') return { fails: 'bogus' };
          return { lines: type === 'A' ? [[name, 'A', '10.6.6.6']] : [], unproven: 'no zone has signed it' };
        },
      ),
      true,
    );
    bad = 'evil.test';
    const service = await world.discover(NAME, { secure: 'required' });
    expect(hosts(service)).toEqual(['a.example']);
    expect(service.secure).toBe(true);
    expect(service.report().ignored.unproven).toBe(1);
    service.close();
    // What was proven once goes on, as where servers fail; what is said instead is not taken.
    bad = '';
    const later = await world.discover(NAME, { secure: 'required' });
    bad = 'evil.test';
    await world.clock.advance(120_000);
    expect(later.endpoints.map(({ host, address }) => `${host} ${address}`).sort()).toEqual([
      'a.example 10.0.0.1',
      'evil.test 10.0.0.1',
    ]);
    later.close();
  });
});

test('hints are as many as addresses of a target at most: a request must not try thousands', async () => {
  const hints = Array.from({ length: 3000 }, (_, i) => `10.6.${i >> 8}.${i & 255}`).join(',');
  const world = new World((name, type) =>
    type === 'HTTPS' ? { lines: [[name, 'HTTPS', `1 a.example. ipv4hint=${hints}`]] } : undefined,
  );
  const service = await world.discover('orders.example');
  expect(service.endpoints[0].addresses.length).toBeLessThanOrEqual(32);
  service.close();
});

test('the family that nobody can tell of keeps its addresses, though the other is told', async () => {
  let failing = false;
  const say = addressed(
    () => ['0 0 80 a.example.'],
    (name, type) => {
      if (type === 'A' && failing) return { fails: 'silence' };
      return type === 'AAAA' ? { lines: [[name, 'AAAA', '2001:db8::1']] } : undefined;
    },
  );
  for (const [name, options] of [
    [NAME, {}],
    ['orders.example', { port: 80 }],
  ] as const) {
    failing = false;
    const world = new World(say);
    const service = await world.discover(name, options);
    failing = true;
    await world.clock.advance(60_000);
    const addresses = service.endpoints.flatMap(one => one.addresses).sort();
    expect(addresses).toEqual(['10.0.0.1', '2001:db8::1']);
    failing = false;
    await world.clock.advance(60_000);
    expect(service.endpoints.flatMap(one => one.addresses).sort()).toEqual(['10.0.0.1', '2001:db8::1']);
    service.close();
  }
});

describe('targets whose servers are silent', () => {
  const evil = (n: number): string[] => Array.from({ length: n }, (_, i) => `0 0 80 e${i}.evil.test.`);
  const silent: Say = name => (name.endsWith('.evil.test') ? { fails: 'late' } : undefined);
  const begin = async (world: World, options: DiscoverOptions = {}, ms = 10_000): Promise<Service> => {
    const pending = world.discover(NAME, { readyMs: 60_000, ...options });
    for (let left = ms; left > 0; left -= 500) await world.clock.advance(500);
    return pending;
  };

  test('hold up the first set for two seconds, and later ones hardly at all', async () => {
    let list = [...evil(1), '0 0 80 good.example.'];
    const world = new World(addressed(() => list, silent));
    const pending = world.discover(NAME);
    await settle();
    await world.clock.advance(2000);
    const service = await pending;
    expect(hosts(service)).toEqual(['good.example']);
    list = [...list, '0 0 80 new.example.'];
    await world.clock.advance(5500); // TTL 5, and what is waited for
    expect(hosts(service)).toEqual(['good.example', 'new.example']);
    service.close();
  });
  test.each([
    [180, 10_000],
    [250, 30_000],
  ])('however many they are (%i), leave the others their turn', async (n, ms) => {
    const world = new World(addressed(() => [...evil(n), '0 0 80 good.example.'], silent));
    const service = await begin(world, {}, ms);
    expect(hosts(service)).toEqual(['good.example']);
    service.close();
  });
  test('are endpoints soon after they answer again, whatever the TTL of the others', async () => {
    let isSilent = true;
    const say: Say = name => (isSilent ? silent(name, 'A') : undefined);
    const world = new World((name, type) => {
      const said = addressed(() => [...evil(1), '0 0 80 good.example.'], say)(name, type);
      return said && { ttl: 300, ...said };
    });
    const service = await begin(world);
    expect(hosts(service)).toEqual(['good.example']);
    isSilent = false;
    await world.clock.advance(6000);
    expect(hosts(service)).toEqual(['e0.evil.test', 'good.example']);
    // Nothing is left to ask for: the rest is by TTL.
    world.asked = [];
    await world.clock.advance(50_000);
    expect(world.asked).toEqual([]);
    service.close();
  });
  test('keep the addresses that they had', async () => {
    let isSilent = false;
    const world = new World(
      addressed(
        () => [...evil(1), '0 0 80 good.example.'],
        (name, type) => (isSilent ? silent(name, type) : undefined),
      ),
    );
    const service = await world.discover(NAME);
    isSilent = true;
    await world.clock.advance(60_000);
    expect(hosts(service)).toEqual(['e0.evil.test', 'good.example']);
    service.close();
  });
  test('of DNS-SD are instances of which nobody can tell', async () => {
    const say: Say = (name, type) => {
      if (type === 'PTR') {
        return { lines: ['one.evil.test', 'two.example'].map((to): Line => [name, 'PTR', `${to}.`]) };
      }
      if (name === 'two.example' && type === 'SRV') return { lines: [[name, 'SRV', '0 0 80 good.example.']] };
      if (name === 'good.example' && type === 'A') return { lines: [[name, 'A', '10.0.0.1']] };
      return silent(name, type);
    };
    const service = await begin(new World(say), { records: 'dns-sd' });
    expect(hosts(service)).toEqual(['good.example']);
    service.close();
  });
});

describe('work and memory', () => {
  test('a set that changes whole at each look asks no more than 200 questions a second', async () => {
    let look = 0;
    const world = new World((name, type) => {
      if (type !== 'SRV') return { ttl: 0, lines: type === 'A' ? [[name, 'A', '10.0.0.1']] : [] };
      look++;
      const lines = Array.from({ length: 256 }, (_, i): Line => [name, 'SRV', `0 0 80 h${i}-${look}.victim.example.`]);
      return { ttl: 0, lines };
    });
    const service = await world.discover(NAME, { ready: false });
    const begin = world.asked.length;
    for (let i = 0; i < 20; i++) {
      service.refreshSoon();
      void service.refresh();
      await world.clock.advance(1000);
    }
    expect(look).toBeGreaterThan(2);
    expect(world.asked.length - begin).toBeLessThanOrEqual(20 * 200 + 2 * 513);
    service.close();
  });

  test('an iterator that nobody reads holds no endpoint that has left', async () => {
    let targets = ['0 1 80 a.example.', '0 1 80 b.example.'];
    const world = new World(addressed(() => targets));
    const service = await world.discover(NAME);
    const iterator = service[Symbol.asyncIterator]();
    await iterator.next();
    targets = ['0 1 80 c.example.', '0 1 80 b.example.'];
    await world.clock.advance(6000);
    const left = new WeakRef<Endpoint>(service.endpoints.find(one => one.host === 'c.example')!);
    targets = ['0 2 80 c.example.', '0 1 80 b.example.'];
    await world.clock.advance(6000);
    targets = ['0 1 80 b.example.'];
    await world.clock.advance(60_000);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 5 && left.deref() !== undefined; i++) {
      await settle();
      collect();
    }
    expect(left.deref()).toBeUndefined();
    await iterator.return?.();
    service.close();
  });

  test('one target with many addresses leaves room for the others in lookups', async () => {
    const world = new World(
      addressed(
        () => ['0 9 80 evil.example.', '0 0 80 good.example.'],
        (name, type) =>
          name === 'evil.example' && type === 'A'
            ? { lines: Array.from({ length: 32 }, (_, i): Line => [name, 'A', `10.6.6.${i + 1}`]) }
            : undefined,
      ),
    );
    const service = await world.discover(NAME);
    const found = await new Promise<{ address: string }[]>(resolve =>
      service.lookup('x', { all: true }, (_: unknown, list: { address: string }[]) => resolve(list)),
    );
    expect(found.map(one => one.address)).toContain('10.0.0.1');
    service.close();
  });
});
