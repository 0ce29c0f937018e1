// What `shardns ctl why` finds beyond the name itself: in the answer that is in the cache, and at other times.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Why, whyOf } from '../../../lib/admin/why.js';
import { whyText } from '../../../lib/cli/why-text.js';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import { encodeName } from '../../../lib/wire/name.js';
import { answerA, decode, makeQuery, makeResponse } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let folder: string;
let server: TestServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-why-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function open(text: string, format: 'rpz' | 'domains', options: object = {}, list: object = {}): Promise<void> {
  const source = join(folder, 'list');
  writeFileSync(source, text);
  server = await TestServer.start(query => answerA(query, 300, '192.0.2.1'), {
    lists: [{ name: 'listed', source, format, ...list }],
    local: { records: ['own.example A 192.0.2.1'] },
    ...options,
  } as ServerOptions);
}
const why = (name: string, client?: string, type?: number): Why =>
  whyOf(server!.server, { name: encodeName(name), type, client });

test('what of a cached answer is listed is said with its type', async () => {
  await open('@ SOA a. b. 1 2 3 4 5\n32.1.2.0.192.rpz-ip CNAME *.\n', 'rpz');
  for (const name of ['a.example', 'own.example']) await server!.ask('udp', makeQuery(name));
  const found = why('a.example', '127.0.0.1');
  expect(found).toMatchObject({
    rule: null,
    answers: [{ list: 'listed', action: 'nodata', line: 2, type: 'A', of: 'a.example.' }],
  });
  expect(whyText(JSON.stringify(found))).toBe(
    'a.example. for 127.0.0.1 A: blocked, nodata, by list listed, line 2, because of its answer',
  );
  expect(whyText(JSON.stringify(why('a.example', '127.0.0.1', 15)))).toContain('no answer to it is in the cache');
  expect(why('a.example', undefined, 15).answers).toEqual([]);
  expect(why('own.example').answers).toEqual([]);
  expect(why('b.example').answers).toEqual([]);
});

test('a list that would decide at another time is said with its hours', async () => {
  // Twelve hours from now, whenever this is.
  const hour = String((new Date().getUTCHours() + 12) % 24).padStart(2, '0');
  const times = [{ from: `${hour}:00`, to: `${hour}:01` }];
  await open('late.example\n', 'domains', { blocking: { timeZone: 'UTC' } }, { times, clients: ['127.0.0.9'] });
  expect(why('late.example')).toMatchObject({ rule: null, otherTimes: null });
  const late = why('late.example', '127.0.0.9');
  expect(late).toMatchObject({ rule: null, otherTimes: { list: 'listed', line: 1 } });
  expect(whyText(JSON.stringify(late)).split('\n')).toEqual([
    'late.example. for 127.0.0.9: no list has it now; no answer to it is in the cache, which lists judge as well: ask for it first',
    `late.example. for 127.0.0.9: blocked, nxdomain, by list listed, line 1, at other times: ${hour}:00 to ${hour}:01 (UTC)`,
  ]);
});

test('what of a cached answer was looked at in vain is said', async () => {
  await open('other.example\n', 'domains');
  await server!.ask('udp', makeQuery('a.example'));
  expect(whyText(JSON.stringify(why('a.example', '127.0.0.1')))).toBe(
    'a.example. for 127.0.0.1: no list has it, nor what its answer leads to (A)',
  );
});

test('an alias that an upstream tells alone is followed, and what it leads to is said', async () => {
  const source = join(folder, 'list');
  writeFileSync(source, 'tracker.example\n');
  const lists = [{ name: 'listed', source, format: 'domains' as const }];
  server = await TestServer.start(
    query => {
      const { name } = decode(query).questions![0];
      if (name !== 'a.example') return answerA(query);
      return makeResponse(query, { answers: [{ type: 'CNAME', name, ttl: 300, data: 'x.tracker.example' }] });
    },
    { lists: [] },
  );
  await server.ask('udp', makeQuery('a.example'));
  await server.server.update({ lists });
  expect(whyText(JSON.stringify(why('a.example', '127.0.0.1')))).toBe(
    'a.example. for 127.0.0.1 A: blocked, nxdomain, by list listed, line 1, because of its answer, which leads to x.tracker.example.',
  );
});
