// What zones of a test have and have not, told from their records alone: the oracle of fuzz_dnssec. Responses as a server
// would give them, for a start.
export function makeTruth(sources, tree, signedZones, plainZone, judge) {
  const { encodeName, isAtOrBelow, equalNames, nameKey, foldName } = sources.name;
  const { Type, Rcode } = sources.iana;
  const { canonicalData } = sources.dnssec;

  const zones = signedZones.map(text => {
    const { zone, rrsets } = tree.signed(text);
    const cuts = rrsets.filter(one => one.type === Type.NS && one.name.length > zone.length).map(one => one.name);
    const names = new Set();
    const byKey = new Map();
    for (const one of rrsets) {
      byKey.set(`${nameKey(one.name)} ${one.type}`, one);
      if (one.type === Type.NSEC3) continue; // Its owner is a hash, not a name of the zone.
      for (let { name } = one; name.length >= zone.length; name = name.subarray(1 + name[0])) {
        names.add(nameKey(name));
        if (name.length === zone.length) break;
      }
    }
    return { text, zone, rrsets, cuts, names, byKey, denials: tree.denials(text) };
  });
  const plain = encodeName(plainZone);
  // Names in them may be insecure; not those of their children with keys.
  const loose = zones.filter(one => /^(opt|iter)\./.test(one.text));
  const anchor = zones[0].zone;

  const evil = encodeName('evil.test.');
  const isEvil = name => isAtOrBelow(foldName(name), evil);
  const uncounted = encodeName('iter.test.');
  /** @param asked whether answers about DS may be forged: a zone with too many iterations says of no child that it has some */
  const isWeak = (name, asked) =>
    isEvil(name) ||
    isAtOrBelow(foldName(name), plain) ||
    loose.includes(zoneOf(foldName(name), Type.A)) ||
    (asked && isAtOrBelow(foldName(name), uncounted));
  const isAbove = name => !isAtOrBelow(foldName(name), anchor) || name.length <= anchor.length;

  function zoneOf(name, type) {
    let found;
    for (const one of zones) {
      if (!isAtOrBelow(name, one.zone) || (type === Type.DS && name.length === one.zone.length)) continue;
      if (found === undefined || one.zone.length > found.zone.length) found = one;
    }
    return found;
  }

  /** What there is at a name: `data`, `cname`, `dname`, `nodata`, `nxdomain`, `insecure`. */
  function lookup(name, type) {
    const zone = zoneOf(name, type);
    if (zone === undefined) return { kind: 'insecure' };
    const at = (one, code) => zone.byKey.get(`${nameKey(one)} ${code}`);
    const cut = zone.cuts.find(one => isAtOrBelow(name, one));
    if (cut !== undefined && !(type === Type.DS && equalNames(cut, name))) return { kind: 'insecure' };
    for (
      let above = name.subarray(1 + name[0]);
      above.length >= zone.zone.length;
      above = above.subarray(1 + above[0])
    ) {
      const dname = at(above, Type.DNAME);
      if (dname !== undefined) return { kind: 'dname', rrset: dname, zone };
      if (above.length === zone.zone.length) break;
    }
    const exact = at(name, type);
    if (exact !== undefined) return { kind: 'data', rrset: exact, zone };
    if (zone.names.has(nameKey(name))) {
      const cname = at(name, Type.CNAME);
      return cname === undefined ? { kind: 'nodata', zone } : { kind: 'cname', rrset: cname, zone };
    }
    let encloser = name;
    while (!zone.names.has(nameKey(encloser))) encloser = encloser.subarray(1 + encloser[0]);
    const wildcard = Buffer.concat([Buffer.of(1, 0x2a), encloser]);
    if (!zone.names.has(nameKey(wildcard))) return { kind: 'nxdomain', zone };
    const made = at(wildcard, type);
    if (made !== undefined) return { kind: 'data', rrset: { ...made, name }, zone, made: true };
    const cname = at(wildcard, Type.CNAME);
    if (cname !== undefined) return { kind: 'cname', rrset: { ...cname, name }, zone, made: true };
    return { kind: 'nodata', zone, made: true };
  }

  function sameData(type, a, b) {
    const [x, y] = [canonicalData(type, a), canonicalData(type, b)];
    return x.length === y.length && x.every((one, i) => Buffer.compare(one, y[i]) === 0);
  }

  /** Whether an RRset is what the zones have, or what a DNAME of theirs makes. */
  function isTrue(rrset) {
    const name = foldName(rrset.name);
    // A cut has an NSEC record on either side, and both are true.
    const among = rrset.type === Type.NSEC || rrset.type === Type.NSEC3 ? zones : [zoneOf(name, rrset.type)];
    for (const zone of among) {
      const own = zone?.byKey.get(`${nameKey(name)} ${rrset.type}`);
      if (own !== undefined && sameData(rrset.type, own.data, rrset.data)) return true;
    }
    const found = lookup(name, rrset.type);
    if (found.kind === 'data') return sameData(rrset.type, found.rrset.data, rrset.data);
    if (found.kind !== 'dname' || rrset.type !== Type.CNAME) return false;
    const { name: owner, data } = found.rrset;
    const target = Buffer.concat([name.subarray(0, name.length - owner.length), data[0]]);
    return rrset.data.length === 1 && equalNames(rrset.data[0], target);
  }

  /** Why a response that is said to be secure is not true; undefined: it is. */
  function contradiction({ name, type }, { rcode, answer }) {
    const full = answer.filter(one => one.data.length > 0);
    for (const one of full) if (!isEvil(one.name) && !isTrue(one)) return `no such RRset: ${one.type}`;
    let end = name;
    for (let links = 0; links < 20; links++) {
      if (isEvil(end)) return undefined;
      const here = full.filter(one => equalNames(one.name, end));
      if (here.some(one => one.type === type || type === Type.ANY)) return undefined;
      const cname = here.find(one => one.type === Type.CNAME);
      if (cname === undefined) break;
      [end] = cname.data;
    }
    const { kind } = lookup(foldName(end), type);
    const expected = rcode === Rcode.NXDOMAIN ? 'nxdomain' : 'nodata';
    return kind === expected ? undefined : `${expected} is denied, and it is ${kind}`;
  }

  /** Why what the index of denials says of a name is not true; undefined: it is. */
  function misdenied({ name, type }, { kind, zone, wildcard }) {
    if (isEvil(name)) return isEvil(zone) ? undefined : 'of a zone that is not above';
    const found = lookup(name, type);
    const own = found.zone?.zone;
    if (kind !== 'wildcard') return found.kind === kind ? undefined : `${kind}, and it is ${found.kind}`;
    if (found.made !== true && found.kind !== 'nxdomain') return `made from a wildcard, and it is ${found.kind}`;
    if (!equalNames(own, zone)) return 'made from a wildcard by another zone';
    return isAtOrBelow(wildcard, zone) ? undefined : 'made from a wildcard of another zone';
  }

  /** The fewest records that prove it, as a server would send them: each costs a check. */
  function fewest(question, response) {
    const { status } = judge(question, response);
    let { authority } = response;
    for (const one of authority) {
      const less = authority.filter(other => other !== one);
      if (one.type !== Type.SOA && judge(question, { ...response, authority: less }).status === status)
        authority = less;
    }
    return { ...response, authority };
  }

  function respond(name, type) {
    const answer = [];
    const authority = [];
    let rcode = 0;
    const deny = zone => {
      for (const one of zone.denials) if (!authority.includes(one)) authority.push(one);
    };
    for (let links = 0; links < 4; links++) {
      const found = lookup(name, type);
      if (found.kind === 'insecure') {
        answer.push({ name, type: Type.A, ttl: 300, data: [Uint8Array.of(192, 0, 2, 9)], signatures: [] });
        break;
      }
      if (found.made) deny(found.zone);
      if (found.kind === 'data') {
        answer.push(found.rrset);
        break;
      }
      if (found.kind === 'nodata' || found.kind === 'nxdomain') {
        deny(found.zone);
        if (found.kind === 'nxdomain') rcode = Rcode.NXDOMAIN;
        break;
      }
      let [target] = found.rrset.data;
      answer.push(found.rrset);
      if (found.kind === 'dname') {
        target = Buffer.concat([name.subarray(0, name.length - found.rrset.name.length), target]);
        answer.push({ name, type: Type.CNAME, ttl: 300, data: [target], signatures: [] });
      }
      name = target;
    }
    return { rcode, answer, authority };
  }

  function responses() {
    const all = [];
    const labels = [
      'a',
      'ent',
      'x.ent',
      'q.wild',
      'r.q.wild',
      'alias',
      'far',
      'z.old',
      'no',
      'n.no',
      'wild',
      '*.wild',
      'b.wild',
    ];
    for (const zone of [...signedZones, plainZone]) {
      for (const label of [...labels, '']) {
        for (const type of [Type.A, Type.MX, Type.DS, Type.SOA, Type.DNSKEY, Type.NSEC, Type.ANY]) {
          const name = encodeName(label === '' ? zone : `${label}.${zone}`);
          const question = { name, type };
          all.push({ question, response: fewest(question, respond(name, type)) });
        }
      }
    }
    return all;
  }
  return { responses, contradiction, misdenied, isWeak, isAbove };
}
