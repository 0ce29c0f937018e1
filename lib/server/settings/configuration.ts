// What of the settings decides who may be told what. Servers over one file or region that differ in it never find each
// other's entries, and what was told by other settings of before is told no more. What depends on upstreams is common to
// all.
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Configuration } from '../../cache/region.js';
import { translatedClientsOf } from './dns64.js';
import { validates } from './resolution.js';
import type { ServerSettings } from './settings.js';

const subnetsOf = ({ subnetIpv4Prefix, subnetIpv6Prefix, subnetNames }: ServerSettings['upstream']): unknown => [
  subnetIpv4Prefix,
  subnetIpv6Prefix,
  subnetNames,
];

/** What decides the content of answers to all names; local data and zones decide it for theirs, views for their clients. */
function rulesOf(settings: ServerSettings) {
  const { tenants, upstream, resolver, dnssec, any, dns64, zonesOnly } = settings;
  const { privateAddresses, privateDomains, privateAnswers, nothingBelowNxdomain, dnssecOk } = resolver;
  const { hardenGlue, verifyGlue } = resolver;
  const believed = { nothingBelowNxdomain, dnssecOk, hardenGlue, verifyGlue };
  const shown = { privateAddresses, privateDomains, privateAnswers };
  // Where the anchors' state is kept decides nothing; who resolves, whether anything is validated.
  const judged = { ...dnssec, anchorFile: undefined, validate: validates(settings) };
  // Whose answers are translated is a matter of tags, but where everybody's are.
  const everybody = dns64.clients.length === 0;
  const translated = dns64.prefix === undefined ? undefined : { ...dns64, clients: undefined, everybody };
  return {
    tenants: tenants.enabled,
    clientSubnet: upstream.clientSubnet === 'forward' ? subnetsOf(upstream) : 'strip',
    ...shown,
    ...believed,
    dnssec: judged,
    any,
    zonesOnly,
    translated,
  };
}

/** Whether answers of one are no answers of the other, whatever their names. */
export function differInRules(one: ServerSettings, other: ServerSettings): boolean {
  return !isDeepStrictEqual(rulesOf(one), rulesOf(other));
}

/** The same for equal settings in whatever order their keys are written; 2 in 2^64 for any two that differ. */
export function configurationOf(settings: ServerSettings): Configuration {
  const { local, localZones, views, zones, cache } = settings;
  const translated = translatedClientsOf(settings);
  return numberOf({
    local,
    localZones,
    views,
    zones,
    translatedClients: translated,
    ...rulesOf(settings),
    scope: cache.scope,
  });
}
/** The same of the rules alone: what a snapshot is for. Local data and views have names and tags, which are forgotten. */
export function rulesNumberOf(settings: ServerSettings): Configuration {
  return numberOf(rulesOf(settings));
}

function numberOf(decisive: object): Configuration {
  const text = JSON.stringify(decisive, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  const hash = createHash('sha256').update(text).digest();
  // Not 0, which stands for none.
  return { high: (hash.readUInt32BE(0) | 1) >>> 0, low: hash.readUInt32BE(4) };
}
