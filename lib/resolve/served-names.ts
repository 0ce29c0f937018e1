// Who serves the zones that the names of an answer lie in, as recursion has learnt it: the name that was asked for, and those
// that its aliases lead to. For rules of lists that are about servers.
import type { ServedZones } from '../clients/served-zones.js';
import { Type } from '../wire/iana.js';
import { decodeMessage, MAX_RESPONSE_RECORDS } from '../wire/message.js';
import { countLabels, foldName, nameKey } from '../wire/name.js';
import type { Query } from '../wire/query.js';
import type { Recursor } from './recurse/recursor.js';

/** Servers of the root and of top-level domains are everybody's: what they serve says nothing (BIND: min-ns-dots 1). */
const LEAST_LABELS = 2;

/** Before the answer is told. @param message what was found */
export function noteServers(
  query: Query,
  message: Uint8Array,
  recursor: Recursor,
  zones: Pick<ServedZones, 'note'>,
): void {
  noteAbove(query.name, recursor, zones);
  try {
    for (const { type, data } of decodeMessage(message, MAX_RESPONSE_RECORDS).answers) {
      if (type === Type.CNAME) noteAbove(foldName(data), recursor, zones);
    }
  } catch {
    // What cannot be read has no aliases.
  }
}

function noteAbove(name: Uint8Array, { known, now }: Recursor, zones: Pick<ServedZones, 'note'>): void {
  const key = nameKey(name);
  let labels = countLabels(name);
  for (let at = 0; labels >= LEAST_LABELS; at += 1 + name[at], labels--) {
    const delegation = known.delegation(name, at, key, now, false);
    if (delegation === undefined) continue;
    zones.note({
      zone: delegation.zone,
      names: delegation.servers.map(server => server.name),
      addresses: delegation.servers.flatMap(server => server.addresses.map(one => one.address)),
    });
  }
}
