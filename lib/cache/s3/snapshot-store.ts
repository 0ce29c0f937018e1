// Snapshots of a cache in storage that many may read: each an object of its own that is never changed, and beside them a
// manifest that names the newest. Whoever loads one checks that it is the one that was meant, before it looks into it.
//
//   PREFIX/latest.json
//   PREFIX/snapshots/20261129T101500Z-000-WRITER
//
// Bounds: `keep` snapshots stay; one file of each on this machine, for as long as it is sent or loaded.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import { type Random, systemRandom } from '../../base/random.js';
import { Bucket } from './bucket.js';
import { Credentials } from './credentials.js';
import { type Http, systemHttp } from './http.js';
import {
  type Manifest,
  MOST_MANIFEST,
  MOST_SNAPSHOT,
  readManifest,
  SNAPSHOT_NAME,
  snapshotName,
  writeManifest,
} from './manifest.js';
import type { S3Place, S3Settings } from './options.js';

export interface S3Dependencies {
  readonly http?: Http;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A snapshot that was found, and where. */
export interface FoundSnapshot {
  readonly manifest: Manifest;
  readonly at: string;
}

interface Shelf {
  readonly bucket: Bucket;
  readonly prefix: string;
  readonly label: string;
}

const MANIFEST = 'latest.json';
/** What was made later than that from now was made by a clock that is wrong: it is older than whatever else there is. */
const MOST_AHEAD_MS = 15 * 60_000;

export class SnapshotStore {
  readonly label: string;
  readonly #own: Shelf;
  readonly #others: readonly Shelf[];
  readonly #clock: Clock;
  readonly #keep: number;
  readonly #writer: string;

  constructor(settings: S3Settings, dependencies: S3Dependencies = {}) {
    const { http = systemHttp, clock = systemClock, random = systemRandom, env = process.env } = dependencies;
    const shelf = (place: S3Place): Shelf => {
      const { bucket, region, endpoint, pathStyle } = place;
      const credentials = new Credentials(place.credentials, { http, clock, env, region });
      const prefix = place.prefix === '' ? '' : `${place.prefix.replace(/^\/+|\/+$/g, '')}/`;
      const parts = { credentials, http, clock, random };
      return {
        bucket: new Bucket({ bucket, region, endpoint, pathStyle }, parts),
        prefix,
        label: `s3://${bucket}/${prefix}`,
      };
    };
    this.#own = shelf(settings);
    this.#others = settings.others.map(shelf);
    this.#clock = clock;
    this.#keep = settings.keep;
    this.#writer = `${hostname()}-${random.uint32().toString(16).padStart(8, '0')}`;
    this.label = this.#own.label;
  }

  /**
   * Sends a file that holds a snapshot, then the manifest that names it, then deletes those beyond `keep`.
   * @param saved what `save` has said of it
   * @returns false: another one has sent a newer snapshot meanwhile, whose manifest stays
   */
  async send(file: string, saved: { entries: number; rules: string }): Promise<boolean> {
    const { bucket, prefix } = this.#own;
    const createdMs = this.#clock.wallSeconds() * 1000;
    const snapshot = snapshotName(createdMs, this.#writer);
    const [sha256, { size: octets }] = [await hashOf(file), await stat(file)];
    await bucket.putFile(prefix + snapshot, file, sha256);
    const manifest = { version: 1, snapshot, octets, sha256, createdMs, writer: this.#writer, ...saved } as const;
    const isNewest = await this.#name(manifest);
    await this.#prune(snapshot);
    return isNewest;
  }

  /** The newest snapshot of this place and of the others; those that cannot be asked are told to `failed`. */
  async newest(failed: (at: string, error: Error) => void): Promise<FoundSnapshot | undefined> {
    const found = await Promise.all(
      [this.#own, ...this.#others].map(async ({ bucket, prefix, label }) => {
        try {
          const got = await bucket.get(prefix + MANIFEST, MOST_MANIFEST);
          return got && { manifest: readManifest(got.octets, label + MANIFEST), at: label };
        } catch (error) {
          failed(label, error as Error);
          return undefined;
        }
      }),
    );
    const createdMs = ({ manifest }: FoundSnapshot): number => this.#believed(manifest.createdMs);
    return found
      .filter(one => one !== undefined)
      .sort((a, b) => createdMs(b) - createdMs(a))
      .at(0);
  }

  /**
   * Fetches a snapshot into a file that lasts as long as `load` runs, and checks it first.
   * @throws {ShardnsError} ERR_SHARDNS_FILE where it is not what the manifest says
   */
  async withFile<T>({ manifest, at }: FoundSnapshot, load: (file: string) => Promise<T>): Promise<T> {
    const { bucket, prefix } = [this.#own, ...this.#others].find(({ label }) => label === at)!;
    return inFolder(async folder => {
      const file = join(folder, 'snapshot');
      const { snapshot, octets, sha256 } = manifest;
      const got = await bucket.getFile(prefix + snapshot, file, Math.min(octets, MOST_SNAPSHOT));
      const where = at + snapshot;
      if (got === undefined) throw new ShardnsError('ERR_SHARDNS_FILE', `${where}: is not there any more`);
      if (got === sha256) return load(file);
      throw new ShardnsError('ERR_SHARDNS_FILE', `${where}: is not what its manifest says: another SHA-256`);
    });
  }

  /** Where it is of a time to come, a clock was wrong: nothing is older. */
  #believed(createdMs: number): number {
    return createdMs > this.#latestMs ? 0 : createdMs;
  }
  get #latestMs(): number {
    return this.#clock.wallSeconds() * 1000 + MOST_AHEAD_MS;
  }

  /** @returns whether the manifest names it now */
  async #name(manifest: Manifest): Promise<boolean> {
    const { bucket, prefix, label } = this.#own;
    for (let attempt = 0; attempt < 5; attempt++) {
      const there = await bucket.get(prefix + MANIFEST, MOST_MANIFEST);
      if (there !== undefined && this.#believed(createdOf(there.octets, label)) > manifest.createdMs) return false;
      // Where the storage knows no conditions, the last one to write wins.
      const condition = there?.etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: there.etag };
      const written = await bucket.put(prefix + MANIFEST, writeManifest(manifest), condition);
      if (written !== undefined) return true;
    }
    throw new ShardnsError('ERR_SHARDNS_UPSTREAM', `${label}${MANIFEST}: others write it all the time`);
  }

  /** @param own what was sent just now; it stays, and so does what the manifest names, which may be of another one */
  async #prune(own: string): Promise<void> {
    const { bucket, prefix, label } = this.#own;
    const latest = snapshotName(this.#latestMs, '');
    const sorted = (await bucket.list(`${prefix}snapshots/`))
      .map(({ key }) => key.slice(prefix.length))
      .filter(name => SNAPSHOT_NAME.test(name))
      .sort();
    const names = [...sorted.filter(name => name > latest), ...sorted.filter(name => name <= latest)];
    const beyond = names.slice(0, Math.max(0, names.length - this.#keep)).filter(name => name !== own);
    if (beyond.length === 0) return;
    const there = await bucket.get(prefix + MANIFEST, MOST_MANIFEST);
    const named = there && namedBy(there.octets, label);
    for (const name of beyond) if (name !== named) await bucket.delete(prefix + name);
  }
}

/** A manifest that cannot be read is in nobody's way. */
function createdOf(octets: Buffer, label: string): number {
  try {
    return readManifest(octets, label).createdMs;
  } catch {
    return -Infinity;
  }
}

function namedBy(octets: Buffer, label: string): string | undefined {
  try {
    return readManifest(octets, label).snapshot;
  } catch {
    return undefined;
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(part as Buffer);
  return hash.digest('hex');
}

/** A folder that only this user may look into, gone when `use` has ended. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'shardns-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
