// `shardns check-zone`: whether a zone file can be served, and what is wrong where; the zone as a file of another form.
import { ShardnsError } from '../base/errors.js';
import { readRegularOctets } from '../base/regular-file.js';
import { Type } from '../wire/iana.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import { loadZoneFile, MAX_ZONE_FILE_OCTETS } from '../zone/load-zone.js';
import { problemText, readZoneFile } from '../zone/zone-file.js';
import { zoneText } from '../zone/zone-text.js';
import { say } from './say.js';

/**
 * @param origin the zone's name; by default the owner of the file's first SOA, where that is written in full
 * @param prints the records of a zone that can be served, in the place of what is said of it
 * @returns the exit code
 */
export async function checkZoneFile(path: string, origin: string | undefined, prints = false): Promise<number> {
  const apex = foldName(encodeName(origin ?? ownerOfSoa(path)));
  const { zone, problems } = loadZoneFile(path, { apex });
  for (const one of problems) process.stderr.write(`${problemText(one)}\n`);
  if (zone === undefined) return 1;
  if (prints) {
    for (const piece of zoneText(zone)) if (!(await say(piece))) break;
    return 0;
  }
  await say(`${path}: good: zone ${zone.name}, serial ${zone.serial}, ${zone.recordCount} records\n`);
  return 0;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION where the file does not say it */
function ownerOfSoa(path: string): string {
  let owner: string | undefined;
  const { octets } = readRegularOctets(path, MAX_ZONE_FILE_OCTETS);
  readZoneFile(octets, { file: path, origin: Uint8Array.of(0), ttl: 0 }, (name, length, type) => {
    if (type === Type.SOA) owner ??= nameToText(name.slice(0, length));
    return undefined;
  });
  if (owner !== undefined && owner !== '.') return owner;
  throw new ShardnsError('ERR_SHARDNS_OPTION', `${path}: the zone's name is not in it: shardns check-zone FILE ORIGIN`);
}
