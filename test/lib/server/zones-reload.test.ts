// Ten thousand zones read anew while clients ask.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeMessage } from '../../../lib/wire/message.js';
import { recordText } from '../../../lib/wire/record-text.js';
import { askUdp } from '../../support/client.js';
import { answerA, makeQuery } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

const ZONES = 10_000;
let folder: string;
let server: TestServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-reload-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
}, 240_000);

const zones = Array.from({ length: ZONES }, (_, i) => `zone${i}.example`);
const fileOf = (name: string): string => join(folder, name);
function write(serial: number): void {
  const text = `$TTL 60\n@ SOA ns h ${serial} 3600 600 604800 300\n@ NS ns\nns A 192.0.2.1\nwww TXT "${serial}"\n`;
  for (const name of zones) writeFileSync(fileOf(name), text);
}
/** Over UDP, once: who hears nothing was dropped. The client is of this process, and waits as long as that is busy. */
const ask = (query: Buffer): Promise<Buffer | undefined> => askUdp(server!.address, query, 60_000);
const answers = (reply: Buffer | undefined): string[] => decodeMessage(reply!).answers.map(recordText);

test('no query is dropped while ten thousand zones are read anew', { timeout: 240_000 }, async () => {
  write(1);
  const options = { zonesOnly: true, zones: zones.map(name => ({ name, file: fileOf(name) })) };
  server = await TestServer.start(query => answerA(query), options);
  const told = async (i: number): Promise<string> =>
    answers(await ask(makeQuery(`www.zone${i}.example`, { type: 'TXT' })))[0];
  expect(await told(0)).toBe('www.zone0.example. 60 TXT "1"');
  write(2);
  let isOver = false;
  const update = server.server.update(options).finally(() => (isOver = true));
  let asked = 0;
  // Each is answered, by the one version or the other; who hears nothing throws.
  for (let i = 0; !isOver; i = (i + 7919) % ZONES, asked++) {
    expect(await told(i)).toMatch(/ TXT "[12]"$/);
    expect(decodeMessage((await ask(makeQuery(`no${asked}.zone${i}.example`)))!).flags & 15).toBe(3);
  }
  await update;
  expect(asked).toBeGreaterThan(10);
  for (let i = 0; i < ZONES; i += 997) expect(await told(i)).toBe(`www.zone${i}.example. 60 TXT "2"`);
  expect(server.server.report().zones.totals).toMatchObject({ zones: ZONES, broken: 0, records: 4 * ZONES });
});

test('the event loop goes on while a large zone is read anew', { timeout: 240_000 }, async () => {
  const file = fileOf('large');
  const head = (serial: number): string =>
    `$TTL 60\n@ SOA ns h ${serial} 3600 600 604800 300\n@ NS ns\nns A 192.0.2.1\n`;
  const hosts = Array.from({ length: 60_000 }, (_, i) => `h${i} A 192.0.2.7\n`).join('');
  writeFileSync(file, head(1) + hosts);
  const options = { zonesOnly: true, zones: [{ name: 'example', file, allowTransfer: ['127.0.0.1'] }] };
  server = await TestServer.start(query => answerA(query), options);
  writeFileSync(file, `${head(2)}${hosts}new A 192.0.2.8\n`);
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const before = turns;
  await server.server.update(options);
  expect(turns - before).toBeGreaterThan(20);
  const { zones: own, zoneTransfers } = server.server;
  expect(own.report()).toMatchObject([{ serial: 2, records: 60_004 }]);
  expect(answers(await ask(makeQuery('new.example')))).toEqual(['new.example. 60 A 192.0.2.8']);
  // What has changed is found out meanwhile, and then sent alone.
  while (zoneTransfers.report().zones[0].journal.versions === 0) await new Promise(resolve => setImmediate(resolve));
  isOver = true;
  expect(zoneTransfers.report().zones[0].journal).toMatchObject({ versions: 1 });
});
