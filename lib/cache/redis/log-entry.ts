// Ids of a stream's entries, and what its commands say of them.
import type { RedisReply } from './client.js';

/** `1700000000000-3`: milliseconds of Redis' clock, and a count within them. */
export interface EntryId {
  readonly ms: number;
  readonly count: number;
}
export const BEFORE_ALL: EntryId = { ms: 0, count: 0 };

export const idText = ({ ms, count }: EntryId): string => `${ms}-${count}`;
export const isAfter = (one: EntryId, other: EntryId): boolean =>
  one.ms > other.ms || (one.ms === other.ms && one.count > other.count);

export function parseId(reply: RedisReply | undefined): EntryId | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(textOf(reply));
  return match === null ? undefined : { ms: Number(match[1]), count: Number(match[2]) };
}

function textOf(reply: RedisReply | undefined): string {
  return typeof reply === 'string' ? reply : Buffer.isBuffer(reply) ? reply.toString('latin1', 0, 64) : '';
}

/** Names and values of an entry's fields that are looked at: one of each of two secrets. */
const MOST_FIELDS = 4;

export interface Entry {
  readonly id: EntryId;
  /** Of its fields: the same, sealed by each of the writer's secrets. */
  readonly values: readonly Buffer[];
}

/** What XRANGE and XREVRANGE say, without what cannot be read. */
export function entriesOf(reply: RedisReply | undefined): Entry[] {
  if (!Array.isArray(reply)) return [];
  return (reply as RedisReply[]).flatMap((one): Entry[] => {
    if (!Array.isArray(one)) return [];
    const [given, fields] = one as RedisReply[];
    const id = parseId(given);
    if (id === undefined) return [];
    const values = Array.isArray(fields)
      ? (fields as RedisReply[]).slice(0, MOST_FIELDS).filter((_, i) => i % 2 === 1)
      : [];
    return [{ id, values: values.filter((value): value is Buffer => Buffer.isBuffer(value)) }];
  });
}

/** What XREAD of one stream says; null where there is nothing new. */
export function readEntries(reply: RedisReply): Entry[] {
  if (!Array.isArray(reply)) return [];
  const [stream] = reply as RedisReply[];
  return Array.isArray(stream) ? entriesOf((stream as RedisReply[])[1]) : [];
}
