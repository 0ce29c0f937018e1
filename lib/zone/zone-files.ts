// Zones in a folder, so that they are there after a restart without those that they came from: of each zone one file with
// all its records, and beside it one with what has changed since (its journal). Both are checked as they are read: what is
// damaged, cut off or of another zone is passed over, from where it is so.
//
// A zone's file begins with a head that is written over in place each time its primary has confirmed the zone:
//   0       8        16         24        28     32
//   | magic | wall s | expire s | records | crc  | records, as in record-octets.ts, in blocks of (length, crc, octets)
// The journal's: magic (8), then entries of (length, crc, from, to, octets).
//
// Bounds: BLOCK octets of a zone at a time in memory beside the zone itself; a journal has what Journal has, and its file
// twice as much before it is written anew.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import { Slices } from '../base/slices.js';
import type { ResourceRecord } from '../wire/message.js';
import { nameToText } from '../wire/name.js';
import type { Journal, JournalEntry } from './transfer/journal.js';
import { putRecord, takeRecord } from './transfer/record-octets.js';
import type { RecordPlace } from './transfer/transfer-writer.js';

const ZONE_MAGIC = Buffer.from('shdnsZ01');
const JOURNAL_MAGIC = Buffer.from('shdnsJ01');
const HEAD = 32;
const ENTRY_HEAD = 16;
const BLOCK = 1 << 20;
/** The largest record: a name, its fields and its data. */
const LARGEST_RECORD = 255 + 10 + 65_535;
const LONGEST_FILE_NAME = 200;

/** When a zone was last confirmed by its primary, and for how long it may be served from then on. */
export interface Confirmation {
  /** Seconds since 1970. */
  readonly at: number;
  readonly expireSeconds: number;
}

export interface SavedZone extends Confirmation {
  readonly records: number;
}

/** The name of a zone's file: its own, with whatever a file system may mind as %XX; a digest where it is too long. */
export function fileNameOf(apex: Uint8Array): string {
  const text = apex.length === 1 ? '%root' : nameToText(apex).slice(0, -1);
  const name = text.replace(/[^a-z0-9_.-]/g, c => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  const safe = name.replace(/^\./, '%2e');
  return safe.length <= LONGEST_FILE_NAME ? safe : `%${createHash('sha256').update(apex).digest('hex')}`;
}

function headOf({ at, expireSeconds }: Confirmation, records: number): Buffer {
  const head = Buffer.alloc(HEAD);
  ZONE_MAGIC.copy(head);
  head.writeBigUInt64BE(BigInt(at), 8);
  head.writeBigUInt64BE(BigInt(expireSeconds), 16);
  head.writeUInt32BE(records, 24);
  head.writeUInt32BE(crc32(head.subarray(0, 28)), 28);
  return head;
}

function readHead(head: Buffer): SavedZone | undefined {
  if (head.length < HEAD || !head.subarray(0, 8).equals(ZONE_MAGIC)) return undefined;
  if (crc32(head.subarray(0, 28)) !== head.readUInt32BE(28)) return undefined;
  return {
    at: Number(head.readBigUInt64BE(8)),
    expireSeconds: Number(head.readBigUInt64BE(16)),
    records: head.readUInt32BE(24),
  };
}

export class ZoneFiles {
  /** Where journals' files end, by zone: behind the last whole entry. What lies there is of a write that was cut off. */
  readonly #journalOctets = new Map<string, number>();
  /** Writes of one zone follow one another. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(readonly folder: string) {}

  #path(apex: Uint8Array, kind: 'zone' | 'journal'): string {
    return join(this.folder, `${fileNameOf(apex)}.${kind}`);
  }

  /** One after the other; the next is begun though the one before has failed. */
  #after<T>(apex: Uint8Array, work: () => Promise<T>): Promise<T> {
    const key = fileNameOf(apex);
    const done = (this.#busy.get(key) ?? Promise.resolve()).then(work);
    const settled = done.then(
      () => {},
      () => {},
    );
    this.#busy.set(key, settled);
    void settled.then(() => {
      if (this.#busy.get(key) === settled) this.#busy.delete(key);
    });
    return done;
  }

  /**
   * Writes a whole zone, in place of the one before; its journal is empty then, but for `kept`.
   * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path; the file before stays
   */
  save(
    apex: Uint8Array,
    records: () => Iterable<RecordPlace>,
    confirmation: Confirmation,
    kept?: Journal,
  ): Promise<void> {
    return this.#after(apex, async () => {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const path = this.#path(apex, 'zone');
      await replaceFile(path, file => writeZone(file, records(), confirmation));
      await this.#writeJournal(apex, kept?.entries ?? []);
    });
  }

  /** Notes that the zone is as its primary has it. A file that is not there is none of the caller's concern. */
  confirm(apex: Uint8Array, confirmation: Confirmation): Promise<void> {
    return this.#after(apex, async () => {
      const path = this.#path(apex, 'zone');
      const file = await open(path, 'r+').catch((cause: unknown) => throwUnlessMissing(path, cause));
      if (file === undefined) return;
      try {
        const head = Buffer.alloc(HEAD);
        await file.read(head, 0, HEAD, 0);
        const saved = readHead(head);
        if (saved !== undefined) await writeAll(file, headOf(confirmation, saved.records), 0);
      } finally {
        await file.close();
      }
    });
  }

  /**
   * Adds a difference to the zone's journal; on the disk when it resolves.
   * @returns false where the journal's file is full: nothing was written, and the zone is to be saved whole
   */
  append(apex: Uint8Array, entry: JournalEntry, { limits }: Journal): Promise<boolean> {
    return this.#after(apex, async () => {
      const key = fileNameOf(apex);
      const end = this.#journalOctets.get(key) ?? 0;
      const octets = Buffer.concat([end === 0 ? JOURNAL_MAGIC : Buffer.alloc(0), ...encodeEntry(entry)]);
      if (end + octets.length > 2 * limits.octets) return false;
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const path = this.#path(apex, 'journal');
      // Neither 'a', which writes behind whatever is there, nor 'w', which empties it.
      const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        await file.truncate(end);
        await writeAll(file, octets, end);
        await file.datasync();
        this.#journalOctets.set(key, end + octets.length);
        return true;
      } catch (cause) {
        throw fileError(path, cause);
      } finally {
        await file.close();
      }
    });
  }

  async #writeJournal(apex: Uint8Array, entries: readonly JournalEntry[]): Promise<void> {
    const path = this.#path(apex, 'journal');
    const key = fileNameOf(apex);
    if (entries.length === 0) {
      await rm(path, { force: true });
      this.#journalOctets.delete(key);
      return;
    }
    const octets = Buffer.concat([JOURNAL_MAGIC, ...entries.flatMap(encodeEntry)]);
    await replaceFile(path, file => writeAll(file, octets, 0));
    this.#journalOctets.set(key, octets.length);
  }

  /**
   * Reads a zone, block by block, and the blocks in slices: others have their turns.
   * @returns undefined where there is none
   * @throws {ShardnsError} ERR_SHARDNS_FILE for a file that is damaged or cannot be read: nothing of it is to be used
   */
  load(
    apex: Uint8Array,
    take: (record: ResourceRecord) => void,
    clock: Pick<Clock, 'nowMs'>,
  ): Promise<SavedZone | undefined> {
    return this.#after(apex, async () => {
      const path = this.#path(apex, 'zone');
      const file = await open(path, 'r').catch((cause: unknown) => throwUnlessMissing(path, cause));
      if (file === undefined) return undefined;
      try {
        return await readZone(path, file, { take, clock });
      } finally {
        await file.close();
      }
    });
  }

  /**
   * The zone's journal as far as it is whole.
   * @param damaged told of what lies behind that: a write that was cut off, or changes that are lost
   * @throws {ShardnsError} ERR_SHARDNS_FILE where it cannot be read
   */
  loadJournal(apex: Uint8Array, damaged: (what: string) => void): Promise<JournalEntry[]> {
    return this.#after(apex, async () => {
      const path = this.#path(apex, 'journal');
      const octets = await readFile(path).catch((cause: unknown) => throwUnlessMissing(path, cause));
      if (octets === undefined) return [];
      const { entries, end } = decodeEntries(octets);
      if (end < octets.length) damaged(`${path}: ${octets.length - end} octets from ${end} on are no whole entry`);
      this.#journalOctets.set(fileNameOf(apex), end);
      return entries;
    });
  }

  /** Takes the zone's files away. */
  remove(apex: Uint8Array): Promise<void> {
    return this.#after(apex, async () => {
      await rm(this.#path(apex, 'zone'), { force: true });
      await rm(this.#path(apex, 'journal'), { force: true });
      this.#journalOctets.delete(fileNameOf(apex));
    });
  }

  /** Resolves when nothing is written any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#busy.values());
  }
}

async function writeZone(file: FileHandle, records: Iterable<RecordPlace>, confirmation: Confirmation): Promise<void> {
  let at = 0;
  const append = async (octets: Uint8Array): Promise<void> => {
    await writeAll(file, octets, at);
    at += octets.length;
  };
  await append(headOf(confirmation, 0));
  let block = Buffer.allocUnsafeSlow(BLOCK + LARGEST_RECORD);
  let end = 0;
  let count = 0;
  const flush = async (): Promise<void> => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(end, 0);
    head.writeUInt32BE(crc32(block.subarray(0, end)), 4);
    await append(head);
    await append(block.subarray(0, end));
    end = 0;
  };
  for (const record of records) {
    end = putRecord(block, end, record);
    count++;
    if (end >= BLOCK) await flush();
  }
  if (end > 0) await flush();
  block = Buffer.alloc(0);
  await writeAll(file, headOf(confirmation, count), 0);
}

/** Records that are read before the time is looked at. */
const RECORDS_OF_STEP = 512;

async function readZone(
  path: string,
  file: FileHandle,
  { take, clock }: { take: (record: ResourceRecord) => void; clock: Pick<Clock, 'nowMs'> },
): Promise<SavedZone> {
  const slices = new Slices(clock);
  const damaged = (what: string): ShardnsError => new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${what}`);
  const head = Buffer.alloc(HEAD);
  const { bytesRead } = await file.read(head, 0, HEAD, 0);
  const saved = bytesRead === HEAD ? readHead(head) : undefined;
  if (saved === undefined) throw damaged('not a saved zone, or its head is damaged');
  const { size } = await file.stat();
  let at = HEAD;
  let count = 0;
  while (at < size) {
    const blockHead = Buffer.alloc(8);
    await file.read(blockHead, 0, 8, at);
    const length = blockHead.readUInt32BE(0);
    if (length === 0 || length > BLOCK + LARGEST_RECORD || at + 8 + length > size) throw damaged('cut off');
    const block = Buffer.allocUnsafe(length);
    await file.read(block, 0, length, at + 8);
    if (crc32(block) !== blockHead.readUInt32BE(4)) throw damaged(`damaged between octets ${at} and ${at + length}`);
    try {
      for (let here = 0; here < length; count++) {
        const { record, next } = takeRecord(block, here);
        take(record);
        here = next;
        if (count % RECORDS_OF_STEP === 0 && slices.isOver) await slices.next();
      }
    } catch (cause) {
      throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${(cause as Error).message}`, { cause });
    }
    at += 8 + length;
  }
  if (count !== saved.records) throw damaged(`${count} records, and it should have ${saved.records}`);
  return saved;
}

function encodeEntry({ from, to, octets }: JournalEntry): [Buffer, Uint8Array] {
  const head = Buffer.alloc(ENTRY_HEAD);
  head.writeUInt32BE(octets.length, 0);
  head.writeUInt32BE(from, 8);
  head.writeUInt32BE(to, 12);
  head.writeUInt32BE(crc32(octets, crc32(head.subarray(8))), 4);
  return [head, octets];
}

/** Entries that are whole and follow one another, from the first that is not on none; and where the last of them ends. */
function decodeEntries(octets: Buffer): { entries: JournalEntry[]; end: number } {
  const entries: JournalEntry[] = [];
  if (octets.length < 8 || !octets.subarray(0, 8).equals(JOURNAL_MAGIC)) return { entries, end: 0 };
  let at = 8;
  while (at + ENTRY_HEAD <= octets.length) {
    const length = octets.readUInt32BE(at);
    const end = at + ENTRY_HEAD + length;
    if (end > octets.length) break;
    const sum = crc32(octets.subarray(at + ENTRY_HEAD, end), crc32(octets.subarray(at + 8, at + ENTRY_HEAD)));
    if (sum !== octets.readUInt32BE(at + 4)) break;
    const entry = {
      from: octets.readUInt32BE(at + 8),
      to: octets.readUInt32BE(at + 12),
      octets: Uint8Array.from(octets.subarray(at + ENTRY_HEAD, end)),
    };
    if (entries.length > 0 && entries.at(-1)!.to !== entry.from) entries.length = 0;
    entries.push(entry);
    at = end;
  }
  return { entries, end: at };
}

/** A write may take less than it was given, as on a disk that is nearly full; the next one says why. */
async function writeAll(file: FileHandle, octets: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < octets.length;) {
    const { bytesWritten } = await file.write(octets, done, octets.length - done, at + done);
    done += bytesWritten;
  }
}

/** Written beside it and put in its place, so that there is a whole file at any time. */
async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const beside = `${path}.new`;
  try {
    const file = await open(beside, 'w', 0o600);
    try {
      await write(file);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (cause) {
    await rm(beside, { force: true });
    throw fileError(path, cause);
  }
}

function fileError(path: string, cause: unknown): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_FILE', `${path}: cannot be written: ${(cause as Error).message}`, { cause });
}

function throwUnlessMissing(path: string, cause: unknown): undefined {
  if ((cause as { code?: string }).code === 'ENOENT') return undefined;
  throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
}
