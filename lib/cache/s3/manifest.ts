// What a small object beside snapshots says of the newest of them: enough to find it, and to know it again.
import { ShardnsError } from '../../base/errors.js';

export interface Manifest {
  readonly version: 1;
  /** Name of the snapshot's object, below the prefix. */
  readonly snapshot: string;
  readonly octets: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
  readonly entries: number;
  /** Unix milliseconds when it was saved. */
  readonly createdMs: number;
  /** What decided what its entries hold, in hexadecimal digits: one of other rules is not loaded. */
  readonly rules: string;
  /** Who has written it, for people. */
  readonly writer: string;
}

/** Octets of a manifest that are read. */
export const MOST_MANIFEST = 64 * 1024;
/** Octets of a snapshot that are loaded. */
export const MOST_SNAPSHOT = 64 * 2 ** 30;

export const writeManifest = (manifest: Manifest): Buffer => Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);

/** Never trusts what it reads. @throws {ShardnsError} ERR_SHARDNS_FILE */
export function readManifest(octets: Buffer, where: string): Manifest {
  let read: unknown;
  try {
    read = JSON.parse(octets.toString());
  } catch {
    read = undefined;
  }
  const { version, snapshot, octets: length, sha256, entries, createdMs, rules, writer } = (read ?? {}) as Manifest;
  const whole = (value: unknown, most: number): boolean =>
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
  if (
    version !== 1 ||
    typeof snapshot !== 'string' ||
    !SNAPSHOT_NAME.test(snapshot) ||
    !whole(length, MOST_SNAPSHOT) ||
    typeof sha256 !== 'string' ||
    !/^[0-9a-f]{64}$/.test(sha256) ||
    !whole(entries, 2 ** 40) ||
    !whole(createdMs, 8.64e15) ||
    typeof rules !== 'string' ||
    !/^[0-9a-f]{16}$/.test(rules) ||
    typeof writer !== 'string'
  ) {
    throw new ShardnsError('ERR_SHARDNS_FILE', `${where}: is no manifest of snapshots of this version`);
  }
  return { version, snapshot, octets: length, sha256, entries, createdMs, rules, writer: writer.slice(0, 255) };
}

/** Names sort by time. */
export function snapshotName(createdMs: number, writer: string): string {
  const time = new Date(createdMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  return `snapshots/${time}-${String(createdMs % 1000).padStart(3, '0')}-${writer.replace(/[^\w-]/g, '').slice(0, 64)}`;
}
export const SNAPSHOT_NAME = /^snapshots\/\d{8}T\d{6}Z-\d{3}-[\w-]{0,64}$/;
