// Records that lists put in place of answers: from text to what the native edge tells, and which of them are aliases.
import type { NativeNameList } from '../native/binding.js';
import { Type, typeCode } from '../wire/iana.js';
import { encodeRdata } from '../wire/rdata.js';

/** So much of this thread's work is done at once: a millisecond or two. */
export const LINES_A_TURN = 200;

/** What is told in place of a name. */
export interface ListAlias {
  /** In wire form. */
  target: Uint8Array;
  /** The target stands below the name that is asked for: `CNAME *.garden.example` (section 3.1 of the draft). */
  below: boolean;
  ttlSeconds: number | undefined;
}

/** Type, TTL, length and data of each record, one behind the other, and where those of each text end. */
export interface ListRecords {
  octets: Uint8Array;
  ends: Uint32Array;
  /** Of each text the alias among them. */
  aliases: readonly (ListAlias | undefined)[];
  /** Records that say nothing that can be told, the first 16. */
  unreadable: string[];
}

/** What stands for the TTL of `blocking.ttlSeconds`: native/wire/reply_patch.h. */
const NO_TTL = 0xffff_ffff;
const MAX_UNREADABLE = 16;

export async function recordsOf(native: NativeNameList): Promise<ListRecords> {
  const aliases: (ListAlias | undefined)[] = [];
  const unreadable: string[] = [];
  const ends: number[] = [];
  let octets = new Uint8Array(4096);
  let end = 0;
  for (;;) {
    const texts = native.data(ends.length, LINES_A_TURN);
    if (texts.length === 0)
      return { octets: octets.subarray(0, end), ends: Uint32Array.from(ends), aliases, unreadable };
    for (const text of texts) {
      let alias: ListAlias | undefined;
      for (const line of text.split('\n')) {
        const record = recordOf(line);
        if (record !== undefined) {
          alias ??= aliasOf(record);
          if (end + record.length > octets.length) octets = grown(octets, end + record.length);
          octets.set(record, end);
          end += record.length;
        } else if (unreadable.length < MAX_UNREADABLE) unreadable.push(line);
      }
      ends.push(end);
      aliases.push(alias);
    }
    await new Promise(resolve => setImmediate(resolve));
  }
}

function grown(octets: Uint8Array<ArrayBuffer>, least: number): Uint8Array<ArrayBuffer> {
  const greater = new Uint8Array(Math.max(least, 2 * octets.length));
  greater.set(octets);
  return greater;
}

/** Undefined for what is no record's text. */
function recordOf(line: string): Uint8Array | undefined {
  const [, ttl, name, text] = /^(?:(\d+) )?(\S+) ?(.*)$/s.exec(line) ?? [];
  const type = typeCode(name ?? '');
  if (type === undefined) return undefined;
  let data: Uint8Array;
  try {
    data = encodeRdata(type, text);
  } catch {
    return undefined;
  }
  const record = Buffer.allocUnsafe(8 + data.length);
  record.writeUInt16BE(type, 0);
  record.writeUInt32BE(ttl === undefined ? NO_TTL : Number(ttl), 2);
  record.writeUInt16BE(data.length, 6);
  record.set(data, 8);
  return record;
}

/** `*.` at the beginning stands for the name that is asked for. */
function aliasOf(record: Uint8Array): ListAlias | undefined {
  const view = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (view.readUInt16BE(0) !== Type.CNAME) return undefined;
  const ttl = view.readUInt32BE(2);
  const name = Uint8Array.from(record.subarray(8));
  const below = name[0] === 1 && name[1] === 0x2a;
  return { target: below ? name.subarray(2) : name, below, ttlSeconds: ttl === NO_TTL ? undefined : ttl };
}
