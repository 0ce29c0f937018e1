// Reads a file that the operator names. Only a regular file of bounded size is read: a FIFO would hold the program up until
// somebody writes to it, a device or a file that grows might never end. Symbolic links are followed, as configuration is
// often laid out by them.
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ShardnsError } from './errors.js';

/** Its text, and what tells one version of it from another. */
export interface FileText {
  text: string;
  stats: BigIntStats;
}

/** The same as octets. */
export interface FileOctets {
  octets: Buffer;
  stats: BigIntStats;
}

/**
 * @param known where its version is this one, the text is not read
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path and what is wrong; `cause` has the code of the system
 */
export function readRegularFile(path: string, maxBytes: number): FileText;
export function readRegularFile(path: string, maxBytes: number, known: string): FileText | undefined;
export function readRegularFile(path: string, maxBytes: number, known?: string): FileText | undefined {
  const file = readRegularOctets(path, maxBytes, known);
  return file && { text: file.octets.toString('utf8'), stats: file.stats };
}

/** The same as octets. */
export function readRegularOctets(path: string, maxBytes: number): FileOctets;
export function readRegularOctets(path: string, maxBytes: number, known?: string): FileOctets | undefined;
export function readRegularOctets(path: string, maxBytes: number, known?: string): FileOctets | undefined {
  const { fd, stats } = openRegularFile(path);
  try {
    if (known !== undefined && versionOf(stats) === known) return undefined;
    if (stats.size > maxBytes) throw fileError(path, `${stats.size} octets, expected at most ${maxBytes}`);
    // Files of the kernel say 0 and have more.
    let octets = Buffer.allocUnsafe(Math.max(Number(stats.size) + 1, 4096));
    let have = 0;
    for (;;) {
      const read = readSync(fd, octets, have, octets.length - have, null);
      if (read === 0) break;
      have += read;
      if (have > maxBytes) throw fileError(path, `more than the ${maxBytes} octets expected`);
      if (have === octets.length) octets = Buffer.concat([octets, Buffer.allocUnsafe(octets.length)]);
    }
    return { octets: octets.subarray(0, have), stats };
  } catch (cause) {
    if (cause instanceof ShardnsError) throw cause;
    throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens it for reading; the descriptor is the caller's to close.
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path and what is wrong; `cause` has the code of the system
 */
export function openRegularFile(path: string): { fd: number; stats: BigIntStats } {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_FILE', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  const stats = fstatSync(fd, { bigint: true });
  if (stats.isFile()) return { fd, stats };
  closeSync(fd);
  throw fileError(path, 'not a regular file');
}

/** Differs when the file was written or replaced. */
export function versionOf({ mtimeNs, ctimeNs, size, ino, dev }: BigIntStats): string {
  return `${mtimeNs} ${ctimeNs} ${size} ${ino} ${dev}`;
}

function fileError(path: string, what: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${what}`);
}
