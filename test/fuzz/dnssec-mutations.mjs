// Mutations of signed responses, and of the answers to the questions for keys that they lead to, for fuzz_dnssec.
export function makeMutations(sources, tree, signed, corpus, random) {
  const { encodeName, isAtOrBelow, nameKey } = sources.name;
  const { Type } = sources.iana;
  const { signRrset, makeKey } = sources.zone;
  const { TIMES } = sources.tree;
  const pick = list => list[random(list.length)];
  const octets = n => Uint8Array.from({ length: random(n) }, () => random(256));
  const TYPES = [Type.A, Type.MX, Type.DS, Type.SOA, Type.NS, Type.NSEC, Type.NSEC3, Type.DNSKEY, Type.CNAME];
  TYPES.push(Type.DNAME, Type.RRSIG, Type.NSEC3PARAM, Type.CDS, Type.CDNSKEY, Type.ANY, 128, 65_280);
  const NAMES = [...new Map(corpus.map(({ question }) => [nameKey(question.name), question.name])).values()];
  const POOL = corpus.flatMap(({ response }) => [...response.answer, ...response.authority]);
  const foreign = makeKey('RSASHA256', 257, 1024);
  const signers = [...signed, 'plain.test.', 'a.test.', '.'].map(encodeName);
  const zones = signed.map(one => tree.signed(one));
  const evil = tree.signed('evil.test.');

  /** A copy with an octet changed. */
  function flip(data) {
    const copy = Uint8Array.from(data);
    if (copy.length > 0) copy[random(copy.length)] ^= random(3) > 0 ? 1 << random(8) : 1 + random(255);
    return copy;
  }
  function cut(data) {
    return random(2) ? data.subarray(0, random(data.length + 1)) : Buffer.concat([data, octets(8)]);
  }
  /** A name that is one still: letters change, labels come and go. */
  function rename(name) {
    switch (random(5)) {
      case 0:
        return pick(NAMES);
      case 1:
        return name.length > 240 ? name : Buffer.concat([Buffer.of(1, 97 + random(26)), name]);
      case 2:
        return name.length > 1 ? name.subarray(1 + name[0]) : name;
      case 3:
        return name.length > 240 ? name : Buffer.concat([Buffer.of(1, 0x2a), name]);
      default: {
        const copy = Uint8Array.from(name);
        if (copy[0] > 0) copy[1 + random(copy[0])] ^= 1 << random(8);
        return sources.name.foldName(copy);
      }
    }
  }
  const list = (items, change) => {
    if (items.length === 0) return items;
    const copy = [...items];
    const at = random(copy.length);
    copy[at] = change(copy[at]);
    return copy;
  };
  /** Fields of an RRSIG: type, algorithm, labels, TTL, times, tag, signer. */
  function resign(signature) {
    const copy = Buffer.from(signature);
    if (copy.length < 19) return copy;
    switch (random(6)) {
      case 0:
        copy.writeUInt16BE(pick(TYPES), 0);
        return copy;
      case 1:
        copy[2] = pick([5, 7, 8, 13, 15, 250]);
        return copy;
      case 2:
        copy[3] = random(6);
        return copy;
      case 3:
        copy[4 + random(14)] ^= 1 << random(8);
        return copy;
      case 4:
        return Buffer.concat([copy.subarray(0, 18), pick(signers), copy.subarray(-128)]);
      default:
        return flip(copy);
    }
  }

  /** What the owner of a zone signs itself, whatever it is. */
  function hostile(one) {
    const below = random(2) ? one.name : pick(['', 'a.', 'x.ent.', `${'0'.repeat(32)}.`]);
    const name = typeof below === 'string' ? encodeName(`${below}evil.test.`) : below;
    const type = random(3) > 0 ? pick([Type.DS, Type.DNSKEY, Type.NSEC, Type.NSEC3, Type.CNAME, Type.DNAME]) : one.type;
    let data = random(2) ? [octets(80)] : [pick(POOL).data[0] ?? octets(9)];
    if (random(2)) data = list(data, flip);
    const { zone, key } = evil;
    return signRrset({ name, type, ttl: 300, data, signatures: [] }, zone, key, TIMES, head => {
      if (random(4) === 0) head[3] = random(4);
    });
  }

  const CHANGES = [
    one => ({ ...one, data: list(one.data, flip) }),
    one => ({ ...one, data: list(one.data, cut) }),
    one => ({ ...one, data: [...one.data, ...(random(2) ? [octets(64)] : pick(POOL).data)] }),
    one => ({ ...one, data: one.data.slice(1) }),
    one => ({ ...one, data: pick(POOL).data }),
    one => ({ ...one, signatures: list(one.signatures, resign) }),
    one => ({ ...one, signatures: list(one.signatures, cut) }),
    one => ({ ...one, signatures: [] }),
    one => ({ ...one, signatures: pick(POOL).signatures }),
    one => ({ ...one, signatures: [...one.signatures, ...pick(POOL).signatures] }),
    one => ({ ...one, name: rename(one.name) }),
    one => ({ ...one, type: pick(TYPES) }),
    one => ({ ...one, ttl: random(100_000) }),
    one => signRrset({ ...one, signatures: [] }, pick(signers), foreign, TIMES),
    one => {
      const { zone, key } = pick(zones);
      const others = signers.filter(other => nameKey(other) !== nameKey(zone));
      return signRrset({ ...one, signatures: [] }, pick(others), key, TIMES);
    },
    hostile,
    hostile,
    one => ({ ...one, type: pick([Type.DS, Type.DNSKEY, Type.NSEC, Type.NSEC3, Type.RRSIG]), data: [octets(80)] }),
    () => pick(POOL),
  ];
  function section(rrsets) {
    switch (random(6)) {
      case 0:
        return rrsets.filter((_, i) => i !== random(rrsets.length));
      case 1:
        return [...rrsets, pick(POOL)];
      case 2:
        return [...pick(corpus).response[random(2) ? 'answer' : 'authority']];
      default:
        return list(rrsets, one => pick(CHANGES)(one));
    }
  }
  const WILDCARDS = zones.flatMap(({ rrsets }) =>
    rrsets.filter(({ name, type }) => name[1] === 0x2a && type === Type.A),
  );
  /** What a wildcard is made into, with the denials of its own zone, or of one above. */
  function expanded(response) {
    const wildcard = pick(WILDCARDS);
    const name = random(3) > 0 ? Buffer.concat([Buffer.of(1, 97 + random(3)), wildcard.name.subarray(2)]) : pick(NAMES);
    const above = signed.filter(zone => isAtOrBelow(name, encodeName(zone)));
    const authority = random(4) > 0 && above.length > 0 ? tree.denials(pick(above)) : response.authority;
    return { ...response, answer: [{ ...wildcard, name }], authority };
  }
  function mutateResponse(response) {
    switch (random(13)) {
      case 12:
        return expanded(response);
      case 0:
        return { ...response, rcode: pick([0, 3]) };
      case 1:
        return { ...response, answer: [], authority: [...response.authority, ...pick(corpus).response.authority] };
      case 2:
      case 3:
      case 4:
      case 5:
        return { ...response, authority: section(response.authority) };
      case 6:
        return { ...response, zone: pick(NAMES) };
      default:
        return { ...response, answer: section(response.answer) };
    }
  }
  /** The response as it comes out of a message whose octets were changed; as it was where that is none. */
  function throughWire(question, response) {
    const { encodeMessage, decodeMessage } = sources.message;
    const { groupRrsets, recordsOfAll } = sources.rrset;
    const octetsOf = encodeMessage({
      id: 1,
      flags: 0x8400 | response.rcode,
      question: { ...question, dnsClass: 1 },
      answers: recordsOfAll(response.answer, true),
      authorities: recordsOfAll(response.authority, true),
      additionals: [],
    });
    if (octetsOf === undefined) return response;
    for (let i = random(4); i > 0; i--) octetsOf[12 + random(octetsOf.length - 12)] ^= 1 << random(8);
    try {
      const message = decodeMessage(octetsOf);
      return { ...response, answer: groupRrsets(message.answers), authority: groupRrsets(message.authorities) };
    } catch {
      return response;
    }
  }

  return {
    /** A question that nobody is asked. */
    question: () => ({ name: random(4) ? pick(NAMES) : rename(pick(NAMES)), type: pick(TYPES) }),
    next(now) {
      let { question, response } = pick(corpus);
      for (let i = random(16) > 0 ? 1 + random(3) : 0; i > 0; i--) response = mutateResponse(response);
      if (response.answer.length === 1 && random(2)) question = { ...question, name: response.answer[0].name };
      if (random(8) === 0) question = { ...question, name: pick(NAMES) };
      if (random(8) === 0) question = { ...question, type: pick(TYPES) };
      if (random(8) === 0) response = throughWire(question, response);
      const late = random(64) === 0 ? random(400_000) - 200_000 : 0;
      if (random(16) > 0) return { question, response, now: now + late };
      const fetchRecords = (name, type) => {
        const fetched = tree.fetch(name, type);
        return random(3) > 0 ? fetched : mutateResponse(fetched);
      };
      return { question, response, now: now + late, fetchRecords };
    },
  };
}
