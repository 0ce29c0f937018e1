// DNS-SD: the instances of a service, each with a SRV and a TXT record of its own, perhaps in a zone of its own (RFC 6763
// sections 4 to 6). One that nobody can tell of now is what it was.
//
// Bounds: 64 questions at a time, beside those that nobody waits for any more (patience.ts); MAX_RECORDS endpoints of one
// instance.
import { Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { nameToText } from '../../wire/name.js';
import type { Earlier } from './earlier.js';
import { askOrFail, eachOf, isTold } from './hosts.js';
import { type Metadata, readMetadata } from './metadata.js';
import { MAX_AT_ONCE, type PatientSource } from './patience.js';
import { hostText, isWithin, recordsOf, u16 } from './reading.js';
import { type Target, TargetList } from './targets.js';

/** Of one instance; there is one, as a rule (RFC 6763 section 5). */
const MAX_RECORDS = 16;
/** `_http._tcp.`, which no host has. */
export const SERVICE_LABELS = /^(_[^.]*\.)+/;

export interface Instances {
  /** Seconds. */
  ttl: number;
  /** Of a source that proves: why one of them is not. */
  unproven: string | undefined;
  /** Those of which nobody could tell, now or before. */
  unknown: number;
}

export interface BrowseOptions {
  readonly within: string | undefined;
  readonly provenOnly: boolean;
  readonly needsTexts: boolean;
}

/** @param into what is found of them */
export async function readInstances(
  source: PatientSource,
  pointers: readonly ResourceRecord[],
  into: TargetList,
  earlier: Earlier,
  options: BrowseOptions,
): Promise<Instances> {
  const found: Instances = { ttl: Infinity, unproven: undefined, unknown: 0 };
  const ordered = source.round(pointers, ({ data }) => `${hostText(data)}.`);
  await eachOf(ordered, Math.min(MAX_AT_ONCE, ordered.length), async ({ data }) => {
    const name = `${hostText(data)}.`;
    const [srv, txt] = await Promise.all([askOrFail(source, name, Type.SRV), askOrFail(source, name, Type.TXT)]);
    let texts: Metadata | undefined;
    if (isTold(txt, options)) texts = earlier.texts.told(name, readMetadata(recordsOf(txt, name, Type.TXT).records));
    else texts = earlier.texts.untold(name);
    const isUntold = !isTold(srv, options) || (texts === undefined && options.needsTexts);
    if (isUntold) {
      found.unproven ??= srv.unproven?.reason ?? txt.unproven?.reason;
      const known = earlier.instances.untold(name);
      if (known !== undefined) into.targets.push(...known);
      else if (found.unproven !== undefined && options.provenOnly) into.ignored.unproven++;
      else {
        into.ignored.unresolved++;
        found.unknown++;
      }
      return;
    }
    const unproven = srv.unproven?.reason ?? txt.unproven?.reason;
    if (!options.provenOnly) found.unproven ??= unproven;
    const { records, ttl } = recordsOf(srv, name, Type.SRV);
    found.ttl = Math.min(found.ttl, ttl);
    const domain = nameToText(data.subarray(1 + data[0])).replace(SERVICE_LABELS, '');
    const instance = Buffer.from(data.subarray(1, 1 + data[0])).toString('utf8');
    const own = new TargetList(options.within, into.ignored);
    const used = records.toSorted((a, b) => u16(a.data, 0) - u16(b.data, 0)).slice(0, MAX_RECORDS);
    into.ignored.over += records.length - used.length;
    for (const one of used) own.addSrv(one.data, { instance, texts, unproven });
    own.targets = own.targets.map(one => ({ ...one, isForeign: domain === '' || !isWithin(one.host, domain) }));
    if (!source.proves) own.believe(srv.additionals, false);
    into.targets.push(...earlier.instances.told(name, own.targets));
  });
  return found;
}

export type { Target };
