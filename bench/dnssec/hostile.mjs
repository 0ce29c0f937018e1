// Responses made to cost a validator all they can, each within what a message of 64 KiB holds. A function makes a tree of
// zones, in which nothing is known yet, and the response.
const NAME = 'www.a.test.';
const LINES = ['www.a.test. 300 A 192.0.2.1'];
const MOST = 65_000;

const tree = ({ tree: { SignedTree }, zone }, { algorithm = 'P-256', lines = LINES, ...parts } = {}) =>
  new SignedTree({ 'test.': {}, 'a.test.': { key: zone.makeKey(algorithm), lines, ...parts } });

/** Signatures that differ from a good one in their last octets. */
const wrong = (rrset, count) => ({
  ...rrset,
  signatures: Array.from({ length: count }, (_, i) => {
    const data = Buffer.from(rrset.signatures[0]);
    data[data.length - 1] ^= i + 1;
    return data;
  }),
});
const withTag = (signature, tag) => {
  const data = Buffer.from(signature);
  data.writeUInt16BE(tag, 16);
  return data;
};

/** 24 RRsets of 8 signatures, each by a key of its own. */
function manySigned(sources, algorithm, change = () => undefined) {
  const { resigned, unsigned } = sources.tree;
  const zones = tree(sources, { algorithm });
  const zone = zones.signed('a.test.');
  const keys = Array.from({ length: 30 }, () => {
    const { data } = sources.zone.makeKey(algorithm);
    change(data);
    return data;
  });
  zones.replace(resigned(zone, zone.find('a.test.', 'DNSKEY'), [zone.key.data, ...keys]));
  const tags = keys.map(sources.dnssec.keyTag);
  let next = 0;
  const answer = Array.from({ length: 24 }, (_, i) => {
    const rrset = resigned(zone, unsigned(`n${i}.a.test. 300 A 192.0.2.1`));
    const signatures = Array.from({ length: 8 }, () => withTag(rrset.signatures[0], tags[next++ % tags.length]));
    return { ...rrset, signatures };
  });
  return { zones, name: 'n0.a.test.', response: { answer } };
}

export const HOSTILE = {
  'a good answer with nothing known': sources => {
    const zones = tree(sources);
    return { zones, name: NAME, response: { answer: [zones.find(NAME, 'A')] } };
  },
  'keys that collide, and signatures for them (KeyTrap)': (sources, round) => {
    const { resigned } = sources.tree;
    const zones = tree(sources, { algorithm: 'Ed25519' });
    const zone = zones.signed('a.test.');
    const tag = sources.dnssec.keyTag(zone.key.data);
    const decoys = Array.from({ length: 250 }, (_, i) => sources.zone.decoyKey(tag, 15, (i + round) & 255));
    zones.replace(resigned(zone, zone.find('a.test.', 'DNSKEY'), [zone.key.data, ...decoys]));
    const answer = Array.from({ length: 24 }, (_, i) => {
      const rrset = sources.tree.unsigned(`n${i}.a.test. 300 A 192.0.2.1`);
      return wrong(resigned(zone, rrset), 8);
    });
    return { zones, name: 'n0.a.test.', response: { answer } };
  },
  'signatures of P-256 by many keys': sources => manySigned(sources, 'P-256'),
  'signatures of P-384 by many keys': sources => manySigned(sources, 'P-384'),
  'signatures of Ed448 by many keys': sources => manySigned(sources, 'Ed448'),
  'two dozen RRsets of P-384, each signed well': sources => {
    const zones = tree(sources, { algorithm: 'P-384' });
    const zone = zones.signed('a.test.');
    const answer = Array.from({ length: 24 }, (_, i) => {
      const to = i < 23 ? `CNAME n${i + 1}.a.test.` : 'A 192.0.2.1';
      return sources.tree.resigned(zone, sources.tree.unsigned(`n${i}.a.test. 300 ${to}`));
    });
    return { zones, name: 'n0.a.test.', response: { answer } };
  },
  'keys of P-384 off their curve': sources => manySigned(sources, 'P-384', data => void (data[data.length - 1] ^= 1)),
  'keys of P-256 off their curve': sources => manySigned(sources, 'P-256', data => void (data[data.length - 1] ^= 1)),
  'RSA of 4096 bits with a great exponent': sources => {
    const random = () => Buffer.from(Array.from({ length: 512 }, () => Math.floor(Math.random() * 256)));
    const { resigned, unsigned } = sources.tree;
    const zones = tree(sources, { algorithm: 'RSASHA256' });
    const zone = zones.signed('a.test.');
    const keys = Array.from({ length: 30 }, () => {
      const modulus = random();
      modulus[0] |= 0x80;
      modulus[511] |= 1;
      return Buffer.concat([Buffer.of(1, 0, 3, 8, 8), Buffer.alloc(8, 0xff), modulus]);
    });
    zones.replace(resigned(zone, zone.find('a.test.', 'DNSKEY'), [zone.key.data, ...keys]));
    const answer = Array.from({ length: 24 }, (_, i) => {
      const rrset = resigned(zone, unsigned(`n${i}.a.test. 300 A 192.0.2.1`));
      const head = rrset.signatures[0].subarray(0, 18 + 8);
      const signatures = Array.from({ length: 4 }, (__, j) => {
        const signature = random();
        signature[0] &= 0x7f;
        return withTag(Buffer.concat([head, signature]), sources.dnssec.keyTag(keys[(i * 4 + j) % keys.length]));
      });
      return { ...rrset, signatures };
    });
    return { zones, name: 'n0.a.test.', response: { answer } };
  },
  'NSEC3 hashes of a name with 120 labels': sources => {
    const zones = tree(sources, { denial: 'nsec3', iterations: 50 });
    const authority = zones.denials(NAME);
    return { zones, name: `${'a.'.repeat(118)}a.test.`, response: { authority, rcode: 3 } };
  },
  'NSEC3 hashes with a salt of 255 octets': sources => {
    const zones = tree(sources, { denial: 'nsec3', iterations: 50 });
    const zone = zones.signed('a.test.');
    const { hashName } = sources.nsec3;
    const salt = Buffer.alloc(255, 7);
    // The apex is there, and a record that covers all other hashes.
    const apex = hashName(sources.name.encodeName('a.test.'), salt, 50);
    const digits = '0123456789abcdefghijklmnopqrstuv';
    const text = [...Array(32)].map((_, i) => {
      const bits = BigInt(`0x${Buffer.from(apex).toString('hex')}`);
      return digits[Number((bits >> BigInt(5 * (31 - i))) & 31n)];
    });
    const next = Buffer.from(apex);
    const data = Buffer.concat([Buffer.of(1, 0, 0, 50, 255), salt, Buffer.of(20), next, Buffer.of(0, 1, 0x62)]);
    const name = sources.name.encodeName(`${text.join('')}.a.test.`);
    const nsec3 = sources.tree.resigned(zone, { name, type: 50, ttl: 300, data: [data], signatures: [] });
    const authority = [zone.find('a.test.', 'SOA'), nsec3];
    return { zones, name: `${'a.'.repeat(118)}a.test.`, response: { authority, rcode: 3 } };
  },
  'a denial of hundreds of NSEC records': sources => {
    const zones = tree(sources, { algorithm: 'RSASHA256' });
    const zone = zones.signed('a.test.');
    const authority = Array.from({ length: 170 }, (_, i) =>
      sources.tree.resigned(zone, sources.tree.unsigned(`${'b.'.repeat(20)}n${i}.a.test. 300 NSEC m${i}.a.test. A`)),
    );
    return { zones, name: `${'b.'.repeat(100)}x.a.test.`, response: { authority, rcode: 3 } };
  },
  'NSEC records whose signatures no key is for': sources => {
    const zones = tree(sources);
    const zone = zones.signed('a.test.');
    const tag = sources.dnssec.keyTag(zone.key.data);
    const one = sources.tree.resigned(zone, sources.tree.unsigned('n.a.test. 300 NSEC m.a.test. A'));
    const signatures = Array.from({ length: 8 }, (_, i) => withTag(one.signatures[0], tag ^ (i + 1)));
    const authority = Array.from({ length: 60 }, (_, i) => ({
      ...one,
      name: sources.name.encodeName(`n${i}.a.test.`),
      signatures,
    }));
    return { zones, name: 'x.a.test.', response: { authority, rcode: 3 } };
  },
  'one RRset of 4000 records, its signatures wrong': sources => {
    const zones = tree(sources, { algorithm: 'RSASHA256' });
    const zone = zones.signed('a.test.');
    const data = Array.from({ length: MOST / 16 }, (_, i) => Buffer.of(10, 1, (i * 7919) >> 8, i * 7919));
    const rrset = sources.tree.resigned(zone, zone.find(NAME, 'A'), data);
    return { zones, name: NAME, response: { answer: [wrong(rrset, 8)] } };
  },
  'one record of 64 KiB, its signatures wrong': sources => {
    const zones = tree(sources, { algorithm: 'RSASHA256' });
    const zone = zones.signed('a.test.');
    const rrset = { name: sources.name.encodeName(NAME), type: 65_280, ttl: 300, data: [Buffer.alloc(MOST - 3000, 5)] };
    const signed = sources.tree.resigned(zone, { ...rrset, signatures: [] });
    return { zones, name: NAME, type: 'A', response: { answer: [wrong(signed, 8)] } };
  },
  'DS records by the thousand, and keys of 30 KiB': sources => {
    const zones = tree(sources);
    const [parent, zone] = [zones.signed('test.'), zones.signed('a.test.')];
    const long = [1, 2].map(i => {
      const data = Buffer.alloc(30_000, i);
      data.set([1, 0, 3, 13]);
      return data;
    });
    const tags = long.map(sources.dnssec.keyTag);
    const ds = Array.from({ length: 1500 }, (_, i) => {
      const data = Buffer.alloc(4 + 32, i);
      data.writeUInt16BE(tags[i & 1], 0);
      data.set([13, 2], 2);
      return data;
    });
    zones.replace(sources.tree.resigned(parent, parent.find('a.test.', 'DS'), ds));
    zones.replace(sources.tree.resigned(zone, zone.find('a.test.', 'DNSKEY'), [...long, zone.key.data]));
    return { zones, name: NAME, response: { answer: [zones.find(NAME, 'A')] } };
  },
  'names of 120 labels, none of them signed': sources => {
    const zones = tree(sources);
    const answer = Array.from({ length: 24 }, (_, i) =>
      sources.tree.unsigned(`${'b.'.repeat(100)}x${i}.a.test. 300 CNAME ${'b.'.repeat(100)}x${i + 1}.a.test.`),
    );
    return { zones, name: `${'b.'.repeat(100)}x0.a.test.`, response: { answer } };
  },
  'DNAMEs and what they do not make': sources => {
    const zones = tree(sources);
    const answer = Array.from({ length: 24 }, (_, i) =>
      sources.tree.unsigned(
        i < 12
          ? `${'b.'.repeat(i + 60)}a.test. 300 DNAME x.test.`
          : `${'b.'.repeat(88)}x${i}.a.test. 300 CNAME y${i}.x.test.`,
      ),
    );
    return { zones, name: `${'b.'.repeat(88)}x12.a.test.`, response: { answer } };
  },
};
