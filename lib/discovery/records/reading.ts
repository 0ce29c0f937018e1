// Reads an answer about a service: the records of one name behind its aliases, the addresses and texts that came along, and
// how long all that holds. Takes nothing of other names than the one that was asked for and those that it leads to.
import { formatAddress } from '../../base/address.js';
import { Class, Type } from '../../wire/iana.js';
import type { ResourceRecord } from '../../wire/message.js';
import { encodeName, foldedName, isAtOrBelow, nameKey, nameToText } from '../../wire/name.js';
import type { Answer } from './source.js';

/** Aliases in one answer (the recursor follows as many). */
const MAX_ALIASES = 16;

/** Of records that say nothing of how long they hold: no denial without a SOA lives longer (RFC 2308 section 5). */
const UNSAID_TTL = 0;

export interface Records {
  readonly records: readonly ResourceRecord[];
  /** Seconds that they hold, with the aliases that lead to them; of none, how long that holds. */
  readonly ttl: number;
  /** Whose they are, behind the aliases: folded, in wire format. */
  readonly owner: Uint8Array;
}

export const u16 = (octets: Uint8Array, at: number): number => (octets[at] << 8) | octets[at + 1];
const keyOf = (name: Uint8Array): string => nameKey(foldedName(name));

/** What an answer has of a type, for the name that was asked for. */
export function recordsOf(answer: Answer, name: string, type: number): Records {
  let owner: Uint8Array = foldedName(encodeName(name));
  let ttl = Infinity;
  for (let hops = 0; hops <= MAX_ALIASES; hops++) {
    const key = nameKey(owner);
    const own = answer.answers.filter(one => one.dnsClass === Class.IN && keyOf(one.name) === key);
    const records = own.filter(one => one.type === type);
    if (records.length > 0)
      return { records, ttl: records.reduce((least, one) => Math.min(least, one.ttl), ttl), owner };
    const alias = own.find(one => one.type === Type.CNAME);
    if (alias === undefined) break;
    ttl = Math.min(ttl, alias.ttl);
    owner = foldedName(alias.data);
  }
  return { records: [], ttl: Math.min(ttl, denialTtl(answer)), owner };
}

/** RFC 2308 section 5: the lesser of the SOA's TTL and its MINIMUM. */
function denialTtl({ authorities }: Answer): number {
  const soa = authorities.find(one => one.type === Type.SOA);
  if (soa === undefined || soa.data.length < 22) return UNSAID_TTL;
  const end = soa.data.length;
  const minimum = new DataView(soa.data.buffer, soa.data.byteOffset + end - 4, 4).getUint32(0);
  return Math.min(soa.ttl, minimum);
}

export interface Addresses {
  readonly addresses: string[];
  /** Seconds. */
  ttl: number;
}

/** Most addresses of one target that are kept: no client would try more. */
export const MAX_ADDRESSES = 32;

/** Into what is known of a host's addresses; those beyond the bound are left out. */
export function addAddresses(to: Addresses, records: readonly ResourceRecord[], most = MAX_ADDRESSES): void {
  for (const { data, ttl } of records) {
    if (to.addresses.length >= most) return;
    const address = formatAddress(data);
    if (!to.addresses.includes(address)) to.addresses.push(address);
    to.ttl = Math.min(to.ttl, ttl);
  }
}

export interface Alongside {
  /** By the host's key. */
  readonly addresses: Map<string, Addresses>;
  readonly texts: Map<string, ResourceRecord[]>;
}

/**
 * What the additional section says of hosts. Of others than the answer's own targets it says nothing that is believed:
 * whoever answers for one zone may write any name there.
 * @param wanted keys of the targets of this answer
 */
export function alongside(additionals: readonly ResourceRecord[], wanted: ReadonlySet<string>): Alongside {
  const found: Alongside = { addresses: new Map(), texts: new Map() };
  for (const one of additionals) {
    if (one.dnsClass !== Class.IN) continue;
    const isAddress = one.type === Type.A || one.type === Type.AAAA;
    if (!isAddress && one.type !== Type.TXT) continue;
    const key = keyOf(one.name);
    if (!wanted.has(key)) continue;
    if (isAddress) {
      let known = found.addresses.get(key);
      if (known === undefined) found.addresses.set(key, (known = { addresses: [], ttl: Infinity }));
      addAddresses(known, [one]);
    } else {
      const known = found.texts.get(key);
      if (known === undefined) found.texts.set(key, [one]);
      else known.push(one);
    }
  }
  return found;
}

/** A host's name in text, in lower case and without its final dot: as sockets and certificates take it. */
export const hostText = (name: Uint8Array): string => nameToText(foldedName(name)).slice(0, -1);
export const hostKey = (host: string): string => keyOf(encodeName(host === '' ? '.' : host));

const LABEL = /^[a-z0-9_-]+$/;
const NUMBER = /^(\d+|0x[0-9a-f]*)$/;

/**
 * Whether a name, as `hostText` has it, is that of a host (RFC 1123 section 2.1, with underscores). Others are none that
 * sockets, URLs, certificates and logs would read in the same way: `net.connect` takes `127.0.0.1` for an address and asks
 * no lookup, a URL ends at a slash.
 */
export function isHostName(host: string): boolean {
  const labels = host.split('.');
  return labels.every(one => LABEL.test(one)) && !NUMBER.test(labels.at(-1)!) && URL.canParse(`http://${host}`);
}

/** Whether a host is a domain, or lies below it. */
export function isWithin(host: string, domain: string): boolean {
  return isAtOrBelow(foldedName(encodeName(host)), foldedName(encodeName(domain)));
}
