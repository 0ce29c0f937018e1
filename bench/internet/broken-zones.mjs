// Ways in which a signed zone is wrong, or looks it: one zone of each below a parent that is signed well. A way changes
// the zone's RRsets after they were signed, its DS records, or what its parent says of it.

const DAY = 86_400;
/** Places in an RRSIG's data (RFC 4034 section 3.1). */
const AT = { algorithm: 2, labels: 3, originalTtl: 4 };

/**
 * @param sources bundled modules: `zone` (test/support/signed-zone.ts), `name`, `iana`, `rdata`, `key`, `ds`
 * @returns by name: `{ parts, change, second, parent }`. `parts` of the zone as it is made; `change({ rrsets, ds, zone })` is
 *   given copies to change, `second` those that the second of its servers has; `parent(rrsets, name)` gives the parent's
 *   RRsets back, changed
 */
export function brokenKinds(sources, now) {
  const { makeKey, signRrset, decoyKey } = sources.zone;
  const { Type } = sources.iana;
  const { encodeName, equalNames, nameToText } = sources.name;
  const { encodeRdata } = sources.rdata;
  const { keyTag } = sources.key;
  const { digestKey } = sources.ds;

  const EXPIRED = { inception: now - 30 * DAY, expiration: now - 2 * DAY };
  const of = (rrsets, type, name) =>
    rrsets.filter(one => one.type === Type[type] && (name === undefined || equalNames(one.name, encodeName(name))));
  const remove = (rrsets, ...gone) => rrsets.filter(one => !gone.includes(one));
  const unsign = (...list) => list.forEach(one => (one.signatures = []));
  /** Changed octets of data or signatures, never those that other zones' RRsets share. */
  const alter = (octets, at, change = octet => octet ^ 1) => {
    const copy = Buffer.from(octets);
    const place = at < 0 ? copy.length + at : at;
    copy[place] = change(copy[place]);
    return copy;
  };
  const alterSignatures = (rrset, at, change) =>
    (rrset.signatures = rrset.signatures.map(one => alter(one, at, change)));
  const sign = (rrset, zone, key = zone.key, times = zone.times, change) =>
    signRrset({ ...rrset, signatures: [] }, zone.zone, key, times, change);
  const dsOf = (zone, key, digestType = 2) => {
    const tag = keyTag(key.data);
    const digest = digestKey(zone.zone, key.data, digestType);
    return Buffer.concat([Buffer.of(tag >> 8, tag & 0xff, key.algorithm, digestType), digest]);
  };
  /** Another DNSKEY RRset, and all else signed by that key. */
  const withKeys = (z, keys, signer) => {
    const dnskey = of(z.rrsets, 'DNSKEY')[0];
    Object.assign(dnskey, sign({ ...dnskey, data: keys.map(one => one.data) }, z.zone, signer));
  };
  const flagged = (key, flags) => {
    const data = Buffer.from(key.data);
    data.writeUInt16BE(flags, 0);
    return { ...key, data };
  };
  /** The zone with another form of its key, of which all signatures and the DS are. */
  const rekeyed = key => z => {
    const wrong = key(z.zone.key);
    z.rrsets = z.rrsets.map(one => (one.signatures.length === 0 ? one : sign(one, z.zone, wrong)));
    withKeys(z, [wrong], wrong);
    z.ds = [dsOf(z.zone, wrong)];
  };
  const withoutDenials = z => (z.rrsets = remove(z.rrsets, ...of(z.rrsets, 'NSEC'), ...of(z.rrsets, 'NSEC3')));
  const resign = (z, list, change, times) =>
    list.forEach(one => Object.assign(one, sign(one, z.zone, z.zone.key, times, change)));
  const www = z => of(z.rrsets, 'A', `www.${nameToText(z.zone.zone)}`)[0];

  return {
    expired: { parts: { times: EXPIRED } },
    early: { parts: { times: { inception: now + 2 * DAY, expiration: now + 30 * DAY } } },
    unsigned: { change: z => unsign(...z.rrsets) },
    'answer-unsigned': { change: z => unsign(...of(z.rrsets, 'A')) },
    'answer-expired': {
      change: z => resign(z, [www(z)], undefined, EXPIRED),
    },
    'answer-backwards': {
      change: z => resign(z, [www(z)], undefined, { inception: now + DAY, expiration: now - DAY }),
    },
    'no-dnskey': { change: z => (z.rrsets = remove(z.rrsets, ...of(z.rrsets, 'DNSKEY'))) },
    'dnskey-unsigned': { change: z => unsign(...of(z.rrsets, 'DNSKEY')) },
    'dnskey-by-zsk': {
      // The key that the DS names did not sign the keys.
      change: z => {
        const ksk = makeKey('P-256');
        withKeys(z, [ksk, z.zone.key], z.zone.key);
        z.ds = [dsOf(z.zone, ksk)];
      },
    },
    'ds-of-another-key': { change: z => (z.ds = [dsOf(z.zone, makeKey('P-256'))]) },
    'ds-digest-wrong': { change: z => (z.ds = z.ds.map(one => alter(one, -1))) },
    'ds-unsigned': { parent: (rrsets, name) => (unsign(...of(rrsets, 'DS', name)), rrsets) },
    'ds-signature-wrong': {
      parent: (rrsets, name) => (of(rrsets, 'DS', name).forEach(one => alterSignatures(one, -1)), rrsets),
    },
    'no-ds-no-proof': {
      // An insecure delegation of which the parent proves nothing; one with NSEC3 still does.
      change: z => (unsign(...z.rrsets), (z.ds = [])),
      parent: (rrsets, name) => remove(rrsets, ...of(rrsets, 'NSEC', name)),
    },
    'ds-sha1-beside-wrong-sha256': {
      change: z => (z.ds = [dsOf(z.zone, z.zone.key, 1), alter(dsOf(z.zone, z.zone.key), -1)]),
    },
    'algorithm-unknown': {
      change: z => {
        rekeyed(key => ({ ...key, data: alter(key.data, 3, () => 200) }))(z);
        for (const one of z.rrsets) alterSignatures(one, AT.algorithm, () => 200);
        z.ds = z.ds.map(one => alter(one, 2, () => 200));
      },
    },
    'digest-unknown': { change: z => (z.ds = z.ds.map(one => alter(one, 3, () => 200))) },
    'key-revoked': { change: rekeyed(key => flagged(key, 0x0181)) },
    'key-without-zone-flag': { change: rekeyed(key => flagged(key, 0x0001)) },
    'key-of-another-protocol': { change: rekeyed(key => ({ ...key, data: alter(key.data, 2, () => 2) })) },
    'no-nsec': { change: withoutDenials },
    'half-the-nsecs': {
      change: z => {
        const all = [...of(z.rrsets, 'NSEC'), ...of(z.rrsets, 'NSEC3')];
        z.rrsets = remove(z.rrsets, ...all.filter((_, i) => i % 2 === 1));
      },
    },
    'nsec-unsigned': { change: z => unsign(...of(z.rrsets, 'NSEC'), ...of(z.rrsets, 'NSEC3')) },
    'nsec-signature-wrong': {
      change: z => [...of(z.rrsets, 'NSEC'), ...of(z.rrsets, 'NSEC3')].forEach(one => alterSignatures(one, -1)),
    },
    'nsec-of-another-zone': {
      change: z => {
        for (const one of of(z.rrsets, 'NSEC')) one.data = [encodeRdata(Type.NSEC, 'zzz.example. A RRSIG NSEC')];
        resign(z, of(z.rrsets, 'NSEC'));
      },
    },
    'nsec3-flag-unknown': {
      parts: { denial: 'nsec3' },
      change: z => {
        for (const one of of(z.rrsets, 'NSEC3')) one.data = one.data.map(data => alter(data, 1, octet => octet | 2));
        resign(z, of(z.rrsets, 'NSEC3'));
      },
    },
    'nsec3-iterations-2500': { parts: { denial: 'nsec3', iterations: 2500 } },
    'nsec3-iterations-100': { parts: { denial: 'nsec3', iterations: 100 } },
    'wildcard-without-proof': {
      // Wildcards are expanded; that no closer name exists is shown by nothing.
      change: z => {
        const wild = `*.wild.${nameToText(z.zone.zone)}`;
        z.rrsets = remove(z.rrsets, ...of(z.rrsets, 'NSEC', wild), ...of(z.rrsets, 'NSEC3'));
      },
    },
    'soa-signature-wrong': { change: z => of(z.rrsets, 'SOA').forEach(one => alterSignatures(one, -1)) },
    'ns-unsigned': { change: z => unsign(...of(z.rrsets, 'NS', nameToText(z.zone.zone))) },
    'signer-wrong': {
      change: z => {
        const parent = z.zone.zone.subarray(1 + z.zone.zone[0]);
        for (const one of of(z.rrsets, 'A')) {
          Object.assign(one, signRrset({ ...one, signatures: [] }, parent, z.zone.key, z.zone.times));
        }
      },
    },
    'data-changed': {
      change: z => of(z.rrsets, 'A').forEach(one => (one.data = one.data.map(data => alter(data, 3)))),
    },
    'cname-changed': {
      change: z => of(z.rrsets, 'CNAME').forEach(one => (one.data = [encodeName(`h1.${nameToText(z.zone.zone)}`)])),
    },
    'dname-changed': { change: z => of(z.rrsets, 'DNAME').forEach(one => (one.data = [encodeName('www.g1.net.')])) },
    'labels-too-many': {
      change: z => of(z.rrsets, 'A').forEach(one => alterSignatures(one, AT.labels, octet => octet + 1)),
    },
    'labels-too-few': {
      change: z => resign(z, of(z.rrsets, 'A'), head => (head[AT.labels] = 0)),
    },
    'labels-as-of-a-wildcard': {
      change: z => resign(z, [www(z)], head => (head[AT.labels] -= 1)),
    },
    'original-ttl-changed': {
      change: z => of(z.rrsets, 'A').forEach(one => alterSignatures(one, AT.originalTtl + 3)),
    },
    'signature-wrong': { change: z => of(z.rrsets, 'A').forEach(one => alterSignatures(one, -1)) },
    'signature-short': {
      change: z => of(z.rrsets, 'A').forEach(one => (one.signatures = one.signatures.map(s => s.subarray(0, -4)))),
    },
    'signature-of-another-algorithm': {
      change: z => of(z.rrsets, 'A').forEach(one => alterSignatures(one, AT.algorithm, () => 8)),
    },
    // What looks broken and is not.
    'good-beside-expired': {
      change: z => {
        for (const one of of(z.rrsets, 'A'))
          one.signatures.unshift(...sign(one, z.zone, z.zone.key, EXPIRED).signatures);
      },
    },
    'good-beside-wrong': {
      change: z => of(z.rrsets, 'A').forEach(one => one.signatures.unshift(alter(one.signatures[0], -1))),
    },
    'ds-good-beside-others': {
      change: z => (z.ds = [dsOf(z.zone, makeKey('Ed25519')), alter(z.ds[0], 2, () => 200), ...z.ds]),
    },
    'keys-of-one-tag': {
      parts: { algorithm: 'Ed25519' },
      change: z => withKeys(z, [{ data: decoyKey(keyTag(z.zone.key.data), 15, 1) }, z.zone.key], z.zone.key),
    },
    'key-and-zone-key': {
      change: z => {
        const ksk = makeKey('P-256');
        withKeys(z, [flagged(z.zone.key, 0x0100), ksk], ksk);
        const zsk = flagged(z.zone.key, 0x0100);
        z.rrsets = z.rrsets.map(one =>
          one.signatures.length === 0 || one.type === Type.DNSKEY ? one : sign(one, z.zone, zsk),
        );
        z.ds = [dsOf(z.zone, ksk)];
      },
    },
    // One of its two servers has not heard of the last signing.
    'one-server-expired': {
      second: z =>
        resign(
          z,
          z.rrsets.filter(one => one.signatures.length > 0),
          undefined,
          EXPIRED,
        ),
    },
    'rsa-sha1': { parts: { algorithm: 'RSASHA1' } },
    'rsa-1024': { parts: { algorithm: 'RSASHA256', modulusLength: 1024 } },
  };
}
