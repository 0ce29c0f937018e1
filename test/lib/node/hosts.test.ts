// hosts(5): what it says, whatever wrote it, and how long reading it takes.
import { expect, test } from 'vitest';
import { Hosts } from '../../../lib/node/hosts.js';

const NONE = { v4: [], v6: [] };

test('names are found in any letter case, with all their addresses, each once', () => {
  const hosts = new Hosts(
    '192.0.2.1 Printer printer.example\n2001:db8::1 printer\n192.0.2.1 printer\n192.0.2.2 PRINTER\n',
  );
  expect(hosts.find('PRINTER')).toMatchObject({ v4: ['192.0.2.1', '192.0.2.2'], v6: ['2001:db8::1'] });
  expect(hosts.find('printer.example')).toEqual({ ...NONE, v4: ['192.0.2.1'] });
  expect(hosts.find('nobody')).toBeUndefined();
});

test.each([
  ['line feeds', '\n'],
  ['carriage returns too', '\r\n'],
])('comments end with their line: %s', (_, end) => {
  const hosts = new Hosts(
    ['# 192.0.2.9 none', '192.0.2.10 db.example # was mail.example', '192.0.2.11 a#b', ''].join(end),
  );
  expect(hosts.find('db.example')).toEqual({ ...NONE, v4: ['192.0.2.10'] });
  for (const name of ['none', 'was', 'mail.example', 'b', 'a#b', '#']) expect(hosts.find(name)).toBeUndefined();
  expect(hosts.find('a')).toEqual({ ...NONE, v4: ['192.0.2.11'] });
});

test('tabs, blank lines, a byte order mark and a last line without end', () => {
  const hosts = new Hosts('\ufeff192.0.2.1\tone\n\n  \t\n  192.0.2.2  \t two');
  expect(hosts.find('one')).toEqual({ ...NONE, v4: ['192.0.2.1'] });
  expect(hosts.find('two')).toEqual({ ...NONE, v4: ['192.0.2.2'] });
});

test('lines without an address are passed over', () => {
  const hosts = new Hosts('one two\n127.1 three\n[::1] four\n192.0.2.1\n');
  for (const name of ['one', 'two', 'three', 'four']) expect(hosts.find(name)).toBeUndefined();
});

test('addresses are given in their normal form (RFC 5952), scopes as they are', () => {
  const hosts = new Hosts('2001:DB8:0:0::A six.example\nFE80:0::1%lo0 link.example\n');
  expect(hosts.find('six.example')).toEqual({ ...NONE, v6: ['2001:db8::a'] });
  expect(hosts.find('link.example')).toEqual({ ...NONE, v6: ['fe80::1%lo0'] });
  expect(hosts.namesOf('2001:db8::a')).toEqual(['six.example']);
});

test('the names of an address are those of all its lines, the canonical one first', () => {
  const hosts = new Hosts('192.0.2.1 First alias\n192.0.2.2 other\n192.0.2.1 second\n');
  expect(hosts.namesOf('192.0.2.1')).toEqual(['First', 'alias', 'second']);
  expect(hosts.namesOf('192.0.2.9')).toBeUndefined();
});

test('a large file is read in slices, between which other work is done, and in time that grows with its length', async () => {
  const list = (lines: number): string =>
    `${Array.from({ length: lines }, (_, i) => `0.0.0.0 ads${i}.tracker.example`).join('\n')}\n192.0.2.1 mine.example\n`;
  const hosts = new Hosts(list(300_000));
  expect(hosts.find('mine.example')).toBeUndefined();
  let turns = 0;
  while (hosts.ready !== undefined) {
    turns++;
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(20);
  expect(hosts.find('mine.example')).toEqual({ ...NONE, v4: ['192.0.2.1'] });
  expect(hosts.find('ads299999.tracker.example')).toEqual({ ...NONE, v4: ['0.0.0.0'] });
  expect(hosts.namesOf('0.0.0.0')).toHaveLength(300_000);
});

test('a name of very many addresses', () => {
  const lines = Array.from({ length: 5_000 }, (_, i) => `10.0.${i >> 8}.${i & 255} many`);
  expect(new Hosts([...lines, ...lines].join('\n')).find('many')!.v4).toHaveLength(5_000);
});
