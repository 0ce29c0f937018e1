// Signs zones for tests (RFC 4034 section 3.1.8.1, RFC 5155 section 7.1): keys, signatures, NSEC and NSEC3 chains.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { canonicalRrset, compareNames, lastLabels, ownerLabels } from '../../lib/dnssec/canonical.js';
import { digestKey } from '../../lib/dnssec/ds.js';
import { keyTag } from '../../lib/dnssec/key.js';
import { hashName } from '../../lib/dnssec/nsec3.js';
import { Type, typeName } from '../../lib/wire/iana.js';
import { countLabels, encodeName, equalNames, foldName, isAtOrBelow, nameToText } from '../../lib/wire/name.js';
import { decodeRdata, encodeRdata } from '../../lib/wire/rdata.js';
import { groupRrsets, type Rrset } from '../../lib/wire/rrset.js';
import { recordOf } from './entries.js';

export type SigningAlgorithm = 'RSASHA1' | 'RSASHA256' | 'P-256' | 'P-384' | 'Ed25519' | 'Ed448';
const NUMBERS: Readonly<Record<SigningAlgorithm, number>> = {
  RSASHA1: 5,
  RSASHA256: 8,
  'P-256': 13,
  'P-384': 14,
  Ed25519: 15,
  Ed448: 16,
};
const HASHES: Readonly<Record<number, string | null>> = {
  5: 'sha1',
  8: 'sha256',
  13: 'sha256',
  14: 'sha384',
  15: null,
  16: null,
};

export interface SigningKey {
  algorithm: number;
  privateKey: KeyObject;
  /** Data of its DNSKEY. */
  data: Uint8Array;
}

export function makeKey(name: SigningAlgorithm, flags = 257, modulusLength = 2048): SigningKey {
  const algorithm = NUMBERS[name];
  const { publicKey, privateKey } =
    name === 'RSASHA256' || name === 'RSASHA1'
      ? generateKeyPairSync('rsa', { modulusLength })
      : name === 'Ed25519'
        ? generateKeyPairSync('ed25519')
        : name === 'Ed448'
          ? generateKeyPairSync('ed448')
          : generateKeyPairSync('ec', { namedCurve: name });
  const jwk = publicKey.export({ format: 'jwk' });
  const part = (text?: string): Buffer => Buffer.from(text ?? '', 'base64url');
  const octets =
    jwk.kty === 'RSA'
      ? Buffer.concat([Buffer.of(part(jwk.e).length), part(jwk.e), part(jwk.n)])
      : Buffer.concat([part(jwk.x), part(jwk.y)]);
  return { algorithm, privateKey, data: Buffer.concat([Buffer.of(flags >> 8, flags & 0xff, 3, algorithm), octets]) };
}

/** A DNSKEY of that tag that no signature is of, for what comes of tags that collide. */
export function decoyKey(tag: number, algorithm: number, seed: number): Uint8Array {
  const data = Buffer.alloc(4 + 32, seed);
  data.set([257 >> 8, 257 & 0xff, 3, algorithm]);
  for (let last = 0; last < 0x10000; last++) {
    data.writeUInt16BE(last, data.length - 2);
    if (keyTag(data) === tag) return data;
  }
  throw new Error('no such key');
}

export interface SigningTimes {
  inception: number;
  expiration: number;
}

/** The RRset with one more signature. */
export function signRrset(
  rrset: Rrset,
  zone: Uint8Array,
  key: SigningKey,
  { inception, expiration }: SigningTimes,
  change: (head: Buffer) => void = () => undefined,
): Rrset {
  const head = Buffer.concat([Buffer.alloc(18), zone]);
  head.writeUInt16BE(rrset.type, 0);
  head[2] = key.algorithm;
  head[3] = ownerLabels(rrset.name);
  head.writeUInt32BE(rrset.ttl, 4);
  head.writeUInt32BE(expiration, 8);
  head.writeUInt32BE(inception, 12);
  head.writeUInt16BE(keyTag(key.data), 16);
  change(head);
  const octets = canonicalRrset(rrset, head, { ttl: rrset.ttl });
  const signature = sign(HASHES[key.algorithm], octets, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return { ...rrset, signatures: [...rrset.signatures, Buffer.concat([head, signature])] };
}

/** The SOA record of a test's zone; the root's names have one dot at their end too. */
export const soaOf = (zone: string): string =>
  `${zone} 3600 SOA ns.${zone} root.${zone} 1 3600 600 86400 300`.replaceAll('..', '.');

/** RRsets as a zone file that any name server reads, octet by octet (RFC 3597 section 5). */
export function zoneFileOf(rrsets: readonly Rrset[]): string {
  const line = (owner: string, ttl: number, type: number, data: Uint8Array): string =>
    `${owner} ${ttl} IN TYPE${type} \\# ${data.length} ${Buffer.from(data).toString('hex')}\n`;
  return rrsets
    .map(({ name, ttl, type, data, signatures }) => {
      const owner = nameToText(name);
      return [
        ...data.map(one => line(owner, ttl, type, one)),
        ...signatures.map(one => line(owner, ttl, Type.RRSIG, one)),
      ].join('');
    })
    .join('');
}

export class SignedZone {
  readonly zone: Uint8Array;
  readonly rrsets: Rrset[];
  constructor(
    zone: string,
    lines: readonly string[],
    readonly key: SigningKey,
    readonly times: SigningTimes,
    denial: 'nsec' | 'nsec3' | 'optOut' = 'nsec',
    /** Steps of each NSEC3 hash after the first. */
    readonly iterations = 1,
  ) {
    this.zone = foldName(encodeName(zone));
    const soa = soaOf(zone);
    const plain = groupRrsets([soa, ...lines].map(recordOf));
    plain.push({ name: this.zone, type: Type.DNSKEY, ttl: 3600, data: [key.data], signatures: [] });
    if (denial !== 'nsec') {
      const data = encodeRdata(Type.NSEC3PARAM, `1 0 ${iterations} ab`);
      plain.push({ name: this.zone, type: Type.NSEC3PARAM, ttl: 0, data: [data], signatures: [] });
    }
    const cuts = plain.filter(one => one.type === Type.NS && !equalNames(one.name, this.zone)).map(one => one.name);
    const isCut = (name: Uint8Array): boolean => cuts.some(cut => equalNames(cut, name));
    // What is below a cut is glue: neither signed nor part of the chain (RFC 4035 section 2.2, 2.3).
    const isGlue = (name: Uint8Array): boolean => cuts.some(cut => isAtOrBelow(name, cut) && !equalNames(name, cut));
    const own = plain.filter(one => !isGlue(one.name));
    const chain = denial === 'nsec' ? this.#nsec(own) : this.#nsec3(own, denial === 'optOut', isCut);
    const signed = [...own, ...chain].map(one =>
      isCut(one.name) && one.type === Type.NS ? one : signRrset(one, this.zone, key, times),
    );
    this.rrsets = [...signed, ...plain.filter(one => isGlue(one.name))];
  }
  get ds(): Uint8Array {
    const digest = digestKey(this.zone, this.key.data, 2)!;
    const tag = keyTag(this.key.data);
    return Buffer.concat([Buffer.of(tag >> 8, tag & 0xff, this.key.algorithm, 2), digest]);
  }
  get anchor(): string {
    return `${nameToText(this.zone)} DS ${decodeRdata(Type.DS, this.ds)}`;
  }
  find(name: string, type: keyof typeof Type): Rrset {
    return this.rrsets.find(one => one.type === Type[type] && equalNames(one.name, encodeName(name)))!;
  }
  all(type: keyof typeof Type): Rrset[] {
    return this.rrsets.filter(one => one.type === Type[type]);
  }

  #names(plain: readonly Rrset[], isLeft: (name: Uint8Array) => boolean = () => false): Map<string, Set<string>> {
    const names = new Map<string, Set<string>>();
    for (const { name, type } of plain) {
      if (isLeft(name)) continue;
      const types = names.get(nameToText(name)) ?? new Set(['RRSIG']);
      names.set(nameToText(name), types.add(typeName(type)));
    }
    return names;
  }
  #nsec(plain: readonly Rrset[]): Rrset[] {
    const names = [...this.#names(plain)].sort(([a], [b]) => compareNames(encodeName(a), encodeName(b)));
    return names.map(([name, types], i) => ({
      name: encodeName(name),
      type: Type.NSEC,
      ttl: 300,
      data: [encodeRdata(Type.NSEC, `${names[(i + 1) % names.length][0]} ${[...types, 'NSEC'].join(' ')}`)],
      signatures: [],
    }));
  }
  #nsec3(plain: readonly Rrset[], optOut: boolean, isCut: (name: Uint8Array) => boolean): Rrset[] {
    const hasDs = (name: Uint8Array): boolean => plain.some(one => one.type === Type.DS && equalNames(one.name, name));
    const names = this.#names(plain, name => optOut && isCut(name) && !hasDs(name));
    // The NSEC3 record of an unsigned delegation is elsewhere: nothing at its name has a signature.
    for (const [name, types] of names) if (isCut(encodeName(name)) && !hasDs(encodeName(name))) types.delete('RRSIG');
    for (const name of names.keys()) {
      const octets = encodeName(name);
      for (let labels = countLabels(octets) - 1; labels >= countLabels(this.zone); labels--) {
        const above = nameToText(lastLabels(octets, labels));
        if (!names.has(above)) names.set(above, new Set());
      }
    }
    const salt = Buffer.from('ab', 'hex');
    const text = (name: string): string => {
      const hash = hashName(encodeName(name), salt, this.iterations);
      return decodeRdata(Type.NSEC3, Buffer.from([1, 0, 0, 1, 0, 20, ...hash])).split(' ')[4];
    };
    const hashed = [...names]
      .map(([name, types]) => ({ hash: text(name), types }))
      .sort((a, b) => (a.hash < b.hash ? -1 : 1));
    return hashed.map(({ hash, types }, i) => ({
      name: foldName(encodeName(`${hash}.${nameToText(this.zone)}`.replace('..', '.'))),
      type: Type.NSEC3,
      ttl: 300,
      data: [
        encodeRdata(
          Type.NSEC3,
          `1 ${optOut ? 1 : 0} ${this.iterations} ab ${hashed[(i + 1) % hashed.length].hash} ${[...types].join(' ')}`,
        ),
      ],
      signatures: [],
    }));
  }
}
