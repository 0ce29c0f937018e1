// Files of zones, on disks that take less at a time than they are given.
import type * as promises from 'node:fs/promises';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { encodeName } from '../../../lib/wire/name.js';
import { entryOf, Journal } from '../../../lib/zone/transfer/journal.js';
import { fileNameOf, ZoneFiles } from '../../../lib/zone/zone-files.js';
import { record, smallZone, soa } from '../../support/zone-records.js';

const disk = vi.hoisted(() => ({ most: Infinity }));
vi.mock('node:fs/promises', async original => {
  const fs = await original<typeof promises>();
  const open = async (...args: Parameters<typeof fs.open>): Promise<promises.FileHandle> => {
    const file = await fs.open(...args);
    const whole = file.write.bind(file) as (
      octets: Uint8Array,
      from?: number,
      length?: number,
      at?: number,
    ) => ReturnType<promises.FileHandle['write']>;
    const write = (octets: Uint8Array, from = 0, length = octets.length - from, at?: number) =>
      whole(octets, from, Math.min(length, disk.most), at);
    const writev = (list: Uint8Array[], at?: number) => write(Buffer.concat(list), 0, undefined, at);
    return Object.assign(file, { write, writev });
  };
  return { ...fs, open };
});

const folder = mkdtempSync(join(tmpdir(), 'shardns-zone-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a zone is written whole though the disk takes a few octets at a time', async () => {
  const apex = encodeName('example');
  const zone = smallZone(1, ...Array.from({ length: 100 }, (_, i) => record(`h${i}.example`, 'A', '192.0.2.1')));
  const files = new ZoneFiles(folder);
  const confirmation = { at: 1000, expireSeconds: 500 };
  disk.most = 7;
  await files.save(apex, () => zone.cursor(), confirmation, new Journal({ versions: 1, octets: 1000 }));
  await files.confirm(apex, { at: 2000, expireSeconds: 400 });
  let records = 0;
  const saved = await files.load(apex, () => void records++, { nowMs: () => 0 });
  expect([records, saved]).toEqual([zone.recordCount, { at: 2000, expireSeconds: 400, records: zone.recordCount }]);
});

test('a journal that is damaged is read up to there, and says so', async () => {
  const apex = encodeName('damaged');
  const files = new ZoneFiles(folder);
  const journal = new Journal({ versions: 10, octets: 10_000 });
  for (const serial of [1, 2, 3]) {
    const difference = { before: soa(serial, 'damaged'), after: soa(serial + 1, 'damaged'), deleted: [], added: [] };
    await files.append(apex, entryOf(difference), journal);
  }
  const read = async () => {
    const said: string[] = [];
    const entries = await new ZoneFiles(folder).loadJournal(apex, what => said.push(what));
    return [entries.length, said];
  };
  expect(await read()).toEqual([3, []]);
  const path = join(folder, `${fileNameOf(apex)}.journal`);
  const octets = readFileSync(path);
  const entry = (octets.length - 8) / 3;
  octets[8 + entry + 20] ^= 1;
  writeFileSync(path, octets);
  expect(await read()).toEqual([1, [`${path}: ${2 * entry} octets from ${8 + entry} on are no whole entry`]]);
  writeFileSync(path, 'not ours');
  expect(await read()).toEqual([0, [`${path}: 8 octets from 0 on are no whole entry`]]);
});
