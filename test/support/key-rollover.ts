// Zones whose key-signing keys come and go: DNSKEY sets signed by any of them, at any time, as a network of servers has them.
import { KeyFlag, keyTag } from '../../lib/dnssec/key.js';
import { Rcode, Type } from '../../lib/wire/iana.js';
import { encodeName, equalNames, foldName, isAtOrBelow, nameToText } from '../../lib/wire/name.js';
import { decodeRdata, encodeRdata } from '../../lib/wire/rdata.js';
import type { Rrset } from '../../lib/wire/rrset.js';
import { digestKey } from '../../lib/dnssec/ds.js';
import type { Said } from './signed-internet.js';
import { makeKey, type SigningKey, signRrset } from './signed-zone.js';

const DAY = 86_400;

/** A key with the REVOKE flag: its tag is another one. */
export function revoked(key: SigningKey): SigningKey {
  const data = Uint8Array.from(key.data);
  data[1] |= KeyFlag.REVOKE;
  return { ...key, data };
}

export class RolledZone {
  readonly name: Uint8Array;
  /** Signs what is not keys; no anchor. */
  readonly zoneKey = makeKey('P-256', 256);
  published: SigningKey[];
  /** Those of them that sign the set. */
  signers: SigningKey[];
  ttl = 2 * DAY;
  /** Seconds for which signatures are valid. */
  validity = 14 * DAY;

  constructor(zone: string, ...keys: SigningKey[]) {
    this.name = foldName(encodeName(zone));
    this.published = keys;
    this.signers = keys;
  }
  /** These and no others, signed by all of them or by some. */
  publish(keys: SigningKey[], signers = keys): void {
    this.published = keys;
    this.signers = signers;
  }
  dnskeys(now: number): Rrset {
    const data = [this.zoneKey, ...this.published].map(one => one.data);
    const bare: Rrset = { name: this.name, type: Type.DNSKEY, ttl: this.ttl, data, signatures: [] };
    const times = { inception: now - 3600, expiration: now + this.validity };
    return this.signers.reduce((rrset, key) => signRrset(rrset, this.name, key, times), bare);
  }
  isOf(name: Uint8Array): boolean {
    return isAtOrBelow(name, this.name);
  }
  /** As a server of the zone answers, which has its apex and nothing below. */
  answer(name: Uint8Array, type: number, now: number): Said {
    const isApex = equalNames(name, this.name);
    if (isApex && type === Type.DNSKEY) return { rcode: Rcode.NOERROR, answer: [this.dnskeys(now)], authority: [] };
    const times = { inception: now - 3600, expiration: now + this.validity };
    const [soa, nsec] = [Type.SOA, Type.NSEC].map(one => {
      const text =
        one === Type.SOA ? 'ns. root. 1 3600 600 86400 300' : `${nameToText(this.name)} SOA DNSKEY RRSIG NSEC`;
      const bare: Rrset = { name: this.name, type: one, ttl: 300, data: [encodeRdata(one, text)], signatures: [] };
      return signRrset(bare, this.name, this.zoneKey, times);
    });
    if (isApex && type === Type.SOA) return { rcode: Rcode.NOERROR, answer: [soa], authority: [] };
    return { rcode: isApex ? Rcode.NOERROR : Rcode.NXDOMAIN, answer: [], authority: [soa, nsec] };
  }
  /** As a line of a zone file. */
  ds(key: SigningKey): string {
    const digest = digestKey(this.name, key.data, 2)!;
    const tag = keyTag(key.data);
    const data = Buffer.concat([Buffer.of(tag >> 8, tag & 0xff, key.algorithm, 2), digest]);
    return `${nameToText(this.name)} DS ${decodeRdata(Type.DS, data)}`;
  }
}
