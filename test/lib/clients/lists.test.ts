// Lists compiled off the main thread: what is found, what is told of what could not be read, and every bound.
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../../lib/base/random.js';
import { compileLists, type ListBounds, type ListSource, type NameLists } from '../../../lib/clients/lists.js';
import { binding, LIST_MATCH } from '../../../lib/native/binding.js';

const wire = (name: string): Uint8Array => {
  const labels = name.split('.').filter(label => label !== '');
  return Buffer.concat([...labels.map(label => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])]);
};
const list = (format: ListSource['format'], text: ListSource['text'], more: Partial<ListSource> = {}): ListSource => ({
  name: `${format} list`,
  format,
  text,
  ...more,
});
const compile = (sources: ListSource[], bounds?: ListBounds): Promise<NameLists> =>
  compileLists(sources, systemRandom, bounds);
const ask = (lists: NameLists, name: string, bits = ~0n, client = '192.0.2.1'): string => {
  const match = lists.find(wire(name), client, bits & 0xffff_ffff_ffff_ffffn);
  if (match === undefined) return 'nothing';
  return [match.action, ...match.records].join(' ') + ` ${match.list}:${match.line}`;
};

describe('lists of all formats', () => {
  test('are one, in which the order of sources and allowing rules decide', async () => {
    const lists = await compile([
      list('zone', '@ SOA a. b. 1 2 3 4 5\npass.example CNAME rpz-passthru.\nwalled.example 60 A 192.0.2.80\n'),
      list('hosts', '0.0.0.0 a.example b.example\n192.0.2.7 nas.example\n'),
      list('domains', 'a.example\n', { allows: true }),
      list('adblock', '||example^\n@@||good.example^\n', { block: 'zero' }),
      list('zone', '@ SOA a. b. 1 2 3 4 5\n*.good.example CNAME .\n'),
    ]);
    expect(ask(lists, 'x.pass.example')).toBe('zero 3:1');
    expect(ask(lists, 'pass.example')).toBe('pass 0:2');
    expect(ask(lists, 'walled.example')).toBe('data 60 A 192.0.2.80 0:3');
    expect(ask(lists, 'a.example')).toBe('pass 2:1');
    expect(ask(lists, 'a.example', 0b10n)).toBe('nxdomain 1:1');
    expect(ask(lists, 'nas.example', 0b10n)).toBe('data A 192.0.2.7 1:2');
    expect(ask(lists, 'x.good.example')).toBe('pass 3:2');
    expect(ask(lists, 'x.good.example', 0b10000n)).toBe('nxdomain 4:2');
    expect(ask(lists, 'x.test')).toBe('nothing');
    expect(lists.names).toBeGreaterThan(5);
    expect(lists.memoryBytes).toBeGreaterThan(100);
  });

  test('have no more than 64 sources, the last of which is a bit like others', async () => {
    const many = Array.from({ length: 64 }, (_, i) => list('domains', `n${i}.example\n`));
    const lists = await compile(many);
    expect(ask(lists, 'n63.example', 1n << 63n)).toBe('nxdomain 63:1');
    expect(ask(lists, 'n63.example', (1n << 63n) - 1n)).toBe('nothing');
    await expect(compile([...many, many[0]])).rejects.toThrow('lists: expected at most 64 lists, got 65');
  });

  test('know clients by their addresses', async () => {
    const zone = list('zone', '@ SOA a. b. 1 2 3 4 5\n24.0.2.0.192.rpz-client-ip CNAME rpz-drop.\na.example CNAME .\n');
    const lists = await compile([zone]);
    expect(ask(lists, 'a.example')).toBe('drop 0:2');
    expect(ask(lists, 'a.example', 1n, '198.51.100.1')).toBe('nxdomain 0:3');
    expect(ask(lists, 'a.example', 1n, '2001:db8::1')).toBe('nxdomain 0:3');
  });
});

test('a list that was closed holds no memory and finds nothing', async () => {
  const lists = await compile([list('domains', 'a.example\n')]);
  lists.close();
  lists.close();
  expect([lists.memoryBytes, lists.names, ask(lists, 'a.example')]).toEqual([0, 0, 'nothing']);
});

describe('names outside ASCII', () => {
  test('are blocked under their A-labels in every format', async () => {
    const lists = await compile([
      list('adblock', '||bücher.example^\n@@||gut.bücher.example^\n'),
      list('hosts', '0.0.0.0 straße.example a.example # ü\n'),
      list('domains', '*.παράδειγμα.example\nẞ\u0000.example\n'),
    ]);
    expect(ask(lists, 'x.xn--bcher-kva.example')).toBe('nxdomain 0:1');
    expect(ask(lists, 'gut.xn--bcher-kva.example')).toBe('pass 0:2');
    expect(ask(lists, 'xn--strae-oqa.example')).toBe('nxdomain 1:1');
    expect(ask(lists, 'a.example')).toBe('nxdomain 1:1');
    expect(ask(lists, 'x.xn--hxajbheg2az3al.example')).toBe('nxdomain 2:1');
    expect(lists.reports[2]).toMatchObject({ lines: 2, rules: 1, broken: 1 });
  });

  test('leave turns to others however many they are', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const lists = await compile([
      list('domains', Array.from({ length: 20_000 }, (_, i) => `ü${i}.example\n`).join('')),
    ]);
    clearInterval(timer);
    expect(lists.reports[0]).toMatchObject({ lines: 20_000, rules: 20_000, broken: 0 });
    expect(turns).toBeGreaterThan(2);
  });
});

describe('what cannot be read', () => {
  test('is counted and told with its line, and the rest counts', async () => {
    const lists = await compile([
      list('adblock', '||a.example^\nbad..name\n##.banner\n||b.example^$client=x\n'),
      list('zone', 'a.example CNAME .\n'),
    ]);
    expect(lists.reports).toEqual([
      {
        name: 'adblock list',
        lines: 4,
        rules: 1,
        broken: 1,
        unsupported: 2,
        problems: [
          { line: 2, broken: true, text: 'bad..name' },
          { line: 3, broken: false, text: '##.banner' },
          { line: 4, broken: false, text: '||b.example^$client=x' },
        ],
      },
      expect.objectContaining({ rules: 0, broken: 1 }),
    ]);
  });

  test('is at most 16 problems of short text, and octets of any kind are safe to show', async () => {
    const lists = await compile([list('domains', Buffer.alloc(300_000, 'x\xff\n', 'latin1'))]);
    expect(lists.reports[0].broken).toBe(100_000);
    expect(lists.reports[0].problems).toHaveLength(16);
  });
});

describe('bounds', () => {
  test('end in an error that names the list and the bound', async () => {
    const two = [list('domains', 'a.example\n'), list('domains', 'b.example\nc.example\n', { name: 'long' })];
    await expect(compile(two, { maxNames: 2 })).rejects.toThrow(
      'lists: long: expected at most 2 names in all, 65536 different answers and 1048576 names with records: ' +
        'none of them is in use',
    );
    await expect(compile(two, { maxOctets: 25 })).rejects.toMatchObject({
      code: 'ERR_SHARDNS_OPTION',
      message: 'lists: long: expected at most 25 octets of lists in all: none of them is in use',
    });
  });

  test.each([
    ['format', { format: 'hostz' }, 'one of hosts, domains, adblock, zone, got "hostz"'],
    ['block', { block: 'data' }, 'one of pass, nxdomain, nodata, zero, refuse, drop, truncate, got "data"'],
    ['wildcard', { wildcard: 'all' }, 'one of exact, subtree, below, got "all"'],
  ])('a word that is none is named: %s', async (option, wrong, expected) => {
    const odd = [list('hosts', ''), { ...list('domains', 'a.example', { name: 'odd' }), ...wrong } as ListSource];
    await expect(compile(odd)).rejects.toThrow(`lists: odd: ${option}: expected ${expected}`);
  });

  test('hold for a text that does not end', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given++;
        yield Buffer.from('0.0.0.0 a.example\n'.repeat(1000));
      }
    }
    await expect(compile([list('hosts', endless())], { maxOctets: 1_000_000 })).rejects.toThrow(
      /at most 1000000 octets/,
    );
    expect(given).toBeLessThan(60);
  });

  test('a signal ends it between two pieces', async () => {
    const ended = new AbortController();
    async function* text(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a.example\n');
      ended.abort(new Error('enough'));
      yield Buffer.from('b.example\n');
    }
    await expect(compile([list('domains', text())], { signal: ended.signal })).rejects.toThrow('enough');
  });
});

test('the native object refuses what is out of order, and says which argument is wrong', async () => {
  const native = binding().createNameList(1, 2, 1000, 1000);
  const match = new Uint32Array(LIST_MATCH.length);
  expect(() => native.begin(new Uint32Array(3), '')).toThrow(/argument 1 \(source\)/);
  expect(() => native.begin(new Uint32Array(11).fill(99), '')).toThrow(
    /argument 1 \(source\): expected words of a source/,
  );
  expect(() => native.find(wire('a'), new Uint8Array(4), 1, 0, match)).toThrow(/being compiled/);
  const fed = native.feed(Buffer.from('a\n'));
  expect(() => native.feed(Buffer.from('b\n'))).toThrow(/being compiled/);
  await fed;
  await native.build();
  expect(() => native.feed(Buffer.from('b\n'))).toThrow(/built already/);
  expect(() => native.find(new Uint8Array([1]), new Uint8Array(4), 1, 0, match)).toThrow(/argument 1 \(name\)/);
  expect(() => native.find(wire('a'), new Uint8Array(5), 1, 0, match)).toThrow(/argument 2 \(client\)/);
  expect(() => native.find(wire('a'), new Uint8Array(4), 1, 0, new Uint32Array(2))).toThrow(/argument 5 \(match\)/);
  expect(() => binding().createNameList(1, 2, 1000, 2 ** 31)).toThrow(/argument 4 \(maxNames\)/);
});
