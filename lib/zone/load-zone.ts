// From a zone file to a zone that can be served, or to what is wrong with it.
//
// Bounds: `maxOctets` of a file, and of all that it includes; ZoneLimits of what is in it.
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, resolve, sep } from 'node:path';
import { ShardnsError } from '../base/errors.js';
import { readRegularOctets } from '../base/regular-file.js';
import { Type, typeName } from '../wire/iana.js';
import { nameToText } from '../wire/name.js';
import { checkZone } from './zone-checks.js';
import { readZoneFile, type ZoneFileOptions, type ZoneProblem } from './zone-file.js';
import { Zone } from './zone.js';
import { ZONE_LIMITS, ZoneBuilder, type ZoneLimits } from './zone-builder.js';

export interface LoadedZone {
  /** Undefined: what is wrong with it refuses it. */
  zone: Zone | undefined;
  problems: ZoneProblem[];
  /** Files that were included. */
  included: string[];
}

export const MAX_ZONE_FILE_OCTETS = 2 ** 31;

export interface LoadOptions extends Omit<ZoneFileOptions, 'origin'> {
  /** Folded wire format. */
  apex: Uint8Array;
  limits?: ZoneLimits;
}

export function loadZone(octets: Uint8Array, { apex, limits = ZONE_LIMITS, ...options }: LoadOptions): LoadedZone {
  const builder = new ZoneBuilder(apex, limits);
  const problems: ZoneProblem[] = [];
  const whole = (severity: 'error' | 'warning', message: string): void =>
    void problems.push({ severity, file: options.file, line: 0, column: 0, message });
  let zone: Zone | undefined;
  const included: string[] = [];
  try {
    const read = readZoneFile(octets, { ...options, origin: apex }, (name, nameLength, type, ttl, data, length) =>
      builder.addOctets(name, 0, nameLength, type, ttl, data, 0, length)
        ? undefined
        : `${nameToText(name.subarray(0, nameLength))} lies outside of the zone, and is left out`,
    );
    problems.push(...read.problems);
    if (read.errors === 0) zone = new Zone(apex, builder.build({ found: findings(whole) }));
  } catch (error) {
    if (!(error instanceof ShardnsError)) throw error;
    whole('error', error.message);
  }
  if (zone === undefined) return { zone, problems, included };
  for (const { severity, message } of checkZone(zone)) whole(severity, message);
  return { zone: problems.some(one => one.severity === 'error') ? undefined : zone, problems, included };
}

const MAX_FOUND = 100;

function findings(say: (severity: 'warning', message: string) => void) {
  let left = MAX_FOUND;
  const warn = (message: string): void => {
    if (left-- > 0) say('warning', message);
  };
  return {
    duplicate: (owner: string, type: number) => warn(`${owner} ${typeName(type)}: a record that is there twice`),
    differingTtls: (owner: string, type: number, lowest: number) => {
      // Of signatures each has the TTL of what it covers.
      if (type !== Type.RRSIG) warn(`${owner} ${typeName(type)}: records with other TTLs, ${lowest} is taken`);
    },
  };
}

/** @throws {ShardnsError} ERR_SHARDNS_FILE where the file itself cannot be read */
export function loadZoneFile(
  path: string,
  options: Pick<LoadOptions, 'apex' | 'limits'> & { maxOctets?: number },
): LoadedZone {
  const { apex, limits, maxOctets = MAX_ZONE_FILE_OCTETS } = options;
  const { octets } = readRegularOctets(path, maxOctets);
  let left = maxOctets - octets.length;
  const folder = dirname(realpathSync(path));
  const files = new Set<string>();
  /** Relative to the file that names it, and nowhere but at or below the first one's folder. */
  const include = (name: string, from: string): { octets: Uint8Array; file: string } => {
    const file = isAbsolute(name) ? name : resolve(dirname(from), name);
    files.add(file);
    const real = realPath(file);
    if (!real.startsWith(folder === sep ? sep : `${folder}${sep}`)) {
      throw new ShardnsError('ERR_SHARDNS_FILE', `${file}: expected a file below ${folder}, the zone file's folder`);
    }
    const included = readRegularOctets(real, left).octets;
    left -= included.length;
    return { octets: included, file };
  };
  const loaded = loadZone(octets, { apex, limits, file: path, include });
  return { ...loaded, included: [...files] };
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_FILE', `${file}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}
