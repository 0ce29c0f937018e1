// The page of zones: what it makes of what the API says.
import { expect, test } from 'vitest';

interface Row {
  name: string;
  state: string;
  [more: string]: unknown;
}
const { rowsOf } = (await import('../../../dashboard/zone-rows.js' as string)) as {
  rowsOf: (found: { zones: object[]; transfers: object[] }, now: number) => Row[];
};

const file = { type: 'primary', file: '/z/a', views: [], serial: 3, records: 9, loadedSeconds: 1000 };
const secondary = { serial: 7, state: 'serving', confirmedSecondsAgo: 5, refreshInSeconds: 60, expiresInSeconds: 900 };

test('zones of files and of other servers are one list by name, each with what can be done with it', () => {
  const rows = rowsOf(
    {
      zones: [{ name: 'Example.ORG', ...file }],
      transfers: [
        { name: 'example.org.', serial: 3, primaries: [] },
        { name: '.', serial: 7, primaries: ['192.0.2.1:53', 'tls://192.0.2.2:853'], secondary },
        { name: 'catalog.', serial: 1, primaries: [] },
      ],
    },
    1060,
  );
  expect(rows.map(one => one.name)).toEqual(['.', 'catalog', 'example.org']);
  expect(rows[0]).toMatchObject({ serial: 7, age: 5, refresh: 60, expires: 900, isSecondary: true, state: 'served' });
  expect(rows[0].from).toBe('192.0.2.1:53, tls://192.0.2.2:853');
  expect(rows[1]).toMatchObject({ from: 'made here', isSecondary: false, isLinked: true });
  expect(rows[2]).toMatchObject({ serial: 3, records: 9, age: 60, isFile: true, isLinked: true, state: 'served' });
});

test('what is not as it should be says so', () => {
  const rows = rowsOf(
    {
      zones: [
        { name: 'a', ...file, problem: 'a.zone:3' },
        { name: 'b', ...file, serial: undefined, loadedSeconds: undefined, problem: 'gone' },
        { name: 'c', ...file, views: ['office'] },
        { name: 'f', ...file, doubt: 'its serial has not changed' },
      ],
      transfers: [
        { name: 'c.', primaries: [] },
        { name: 'd.', primaries: ['192.0.2.1:53'], secondary: { ...secondary, state: 'expired', problem: 'silent' } },
        { name: 'e.', primaries: ['192.0.2.1:53'], secondary: { state: 'empty', refreshInSeconds: 5 } },
      ],
    },
    900,
  );
  expect(rows.map(({ name, state, problem }) => [name, state, problem])).toEqual([
    ['a', 'an older version', 'a.zone:3'],
    ['b', 'not served', 'gone'],
    ['c', 'served', undefined],
    ['d', 'expired', 'silent'],
    ['e', 'not there yet', undefined],
    ['f', 'served', 'its serial has not changed'],
  ]);
  // A clock that goes behind the server's shows no negative ages.
  expect(rows.map(one => one.age)).toEqual([0, undefined, 0, 5, undefined, 0]);
  expect(rows[2]).toMatchObject({ from: '/z/a for office', isLinked: false });
});
