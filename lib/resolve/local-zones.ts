// Names that never leave the machine: special-use names (RFC 6761 and the IANA registry that it began) and the reverse
// zones of private and special addresses (RFC 6303, RFC 7793). Each can be switched off by its name.
import { ShardnsError, show } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { Class, Rcode, Type } from '../wire/iana.js';
import { buildResponseOrFailure, type ResourceRecord } from '../wire/message.js';
import { bySuffix, encodeName, foldedOctet, foldName, nameKey } from '../wire/name.js';
import { encodeData } from '../wire/record.js';
import { madeSoa } from './made-soa.js';

const TTL_SECONDS = 10_800; // RFC 6303 section 3

const REVERSE_V4 = [
  '0.in-addr.arpa',
  '127.in-addr.arpa',
  '10.in-addr.arpa',
  '168.192.in-addr.arpa',
  '254.169.in-addr.arpa',
  '2.0.192.in-addr.arpa',
  '100.51.198.in-addr.arpa',
  '113.0.203.in-addr.arpa',
  '255.255.255.255.in-addr.arpa',
  ...Array.from({ length: 16 }, (_, i) => `${16 + i}.172.in-addr.arpa`),
  ...Array.from({ length: 64 }, (_, i) => `${64 + i}.100.in-addr.arpa`), // RFC 7793
];
const zeros = (n: number): string => '0.'.repeat(n);
const REVERSE_V6 = [
  `${zeros(32)}ip6.arpa`,
  `1.${zeros(31)}ip6.arpa`,
  'd.f.ip6.arpa',
  '8.e.f.ip6.arpa',
  '9.e.f.ip6.arpa',
  'a.e.f.ip6.arpa',
  'b.e.f.ip6.arpa',
  '8.b.d.0.1.0.0.2.ip6.arpa',
];
const SPECIAL = [
  'localhost', // RFC 6761 section 6.3
  'invalid', // RFC 6761 section 6.4
  'test', // RFC 6761 section 6.2
  'onion', // RFC 7686 section 2
  'home.arpa', // RFC 8375 section 4
  'resolver.arpa', // RFC 9462 section 6.1: forwarded, clients would be told of another server's encrypted service
  'ipv4only.arpa', // RFC 8880 section 7.1
];
/** The reverse zone of 192.0.0.170 and .171, which RFC 8880 section 7.2 has beside ipv4only.arpa. */
const IPV4ONLY_REVERSE = ['170.0.0.192.in-addr.arpa', '171.0.0.192.in-addr.arpa'];
/** Off unless asked for: RFC 6762 section 22.1 wants it, but networks have it in their own DNS, and all servers ask. */
const ON_REQUEST = ['local'];

/**
 * Which zones are built in: those of a server, those of a program, which asks its servers about the networks they belong
 * to (private reverse zones, .test, home.arpa) and only of localhost, .invalid and .onion knows better; or none.
 */
export type LocalZoneSet = 'server' | 'program' | 'none';

export interface LocalZoneSwitches {
  /** Zones that are resolved as any other. */
  without: readonly string[];
  /** Zones that are built in on request only: `local`. */
  with: readonly string[];
  /** NS and SOA MNAME of all of them, and RNAME; RFC 6303 section 3 wants them to be settable. */
  nameServer?: string;
  mailbox?: string;
}

const NAMES: Readonly<Record<LocalZoneSet, readonly string[]>> = {
  server: [...SPECIAL, ...IPV4ONLY_REVERSE, ...REVERSE_V4, ...REVERSE_V6],
  program: ['localhost', 'invalid', 'onion'],
  none: [],
};

const keyOf = (text: string): string => nameKey(foldName(encodeName(text)));
/** Names with an answer of their own. */
const known = lazy(() => ({
  localhost: keyOf('localhost'),
  ipv4only: keyOf('ipv4only.arpa'),
  reverse: new Map([
    [keyOf('1.0.0.127.in-addr.arpa'), encodeName('localhost')],
    [keyOf(`1.${zeros(31)}ip6.arpa`), encodeName('localhost')],
    ...IPV4ONLY_REVERSE.map(name => [keyOf(name), encodeName('ipv4only.arpa')] as const),
  ]) as ReadonlyMap<string, Uint8Array>,
  resolver: keyOf('resolver.arpa'),
  /** Discovery of designated resolvers asks for SVCB of it. */
  designated: keyOf('_dns.resolver.arpa'),
  /** 0.127, 0.0.127: above 1.0.0.127.in-addr.arpa. */
  nonTerminals: new Set([keyOf('0.127.in-addr.arpa'), keyOf('0.0.127.in-addr.arpa')]) as ReadonlySet<string>,
}));
/** How this very server is asked encrypted, as it tells those who ask (RFC 9462). */
export interface Designation {
  /** SVCB records of `_dns.resolver.arpa`; none: there is no such way. */
  readonly answers: readonly ResourceRecord[];
  /** Addresses of their targets. */
  readonly additionals: readonly ResourceRecord[];
}
/** RFC 8880 section 7.1: what every resolver without NAT64 knows of it. */
const IPV4ONLY = [Uint8Array.of(192, 0, 0, 170), Uint8Array.of(192, 0, 0, 171)];

/** Checks the name of a built-in zone. @throws {ShardnsError} ERR_SHARDNS_OPTION */
export function checkZoneSwitch(name: string, which: keyof LocalZoneSwitches): void {
  const names = which === 'with' ? [...NAMES.server, ...ON_REQUEST] : NAMES.server;
  if (names.some(one => keyOf(one) === keyOf(name))) return;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `expected a built-in zone such as ${which === 'with' ? 'local' : 'home.arpa or 10.in-addr.arpa'}, got ${show(name)}`,
  );
}

const record = (name: Uint8Array, type: number, data: Uint8Array): ResourceRecord => {
  return { name, type, dnsClass: Class.IN, ttl: TTL_SECONDS, data };
};

/** The length and the first octet of a name's last label: tells most of them apart. */
function topOf(octets: Uint8Array, begin = 0): number {
  let top = 0;
  for (let at = begin; octets[at] !== 0; at += 1 + octets[at]) top = (octets[at] << 8) | foldedOctet(octets[at + 1]);
  return top;
}

export class LocalZones {
  readonly #zones: ReadonlyMap<string, Uint8Array>;
  readonly #tops: ReadonlySet<number>;
  readonly #names: { nameServer?: Uint8Array; mailbox?: Uint8Array };

  constructor(which: LocalZoneSet, switches: LocalZoneSwitches = { without: [], with: [] }) {
    const without = new Set(switches.without.map(keyOf));
    const names = [...NAMES[which], ...switches.with].filter(name => !without.has(keyOf(name)));
    this.#zones = new Map(names.map(name => [keyOf(name), foldName(encodeName(name))]));
    const { nameServer, mailbox } = switches;
    this.#names = {
      nameServer: nameServer === undefined ? undefined : encodeName(nameServer),
      mailbox: mailbox === undefined ? undefined : encodeName(mailbox),
    };
    this.#tops = new Set([...this.#zones.values()].map(name => topOf(name)));
  }

  /** Whether the name at `at`, in any letters, may be in one of them: false is sure. */
  mayAnswer(message: Uint8Array, at: number): boolean {
    return this.#tops.has(topOf(message, at));
  }

  /**
   * The answer of a built-in zone, or undefined for names outside all of them.
   * @param overridden zones that the operator has an answer of his own for
   * @param designation what is told of `_dns.resolver.arpa`
   */
  answer(
    query: { message: Uint8Array; name: Uint8Array; type: number; dnsClass: number },
    overridden: { has(zone: Uint8Array): boolean } = { has: () => false },
    designation?: Designation,
  ): Uint8Array | undefined {
    const { name, type } = query;
    // Nearly all names have another last label than any of these.
    if (!this.#tops.has(topOf(name))) return undefined;
    const zone = bySuffix(name, this.#zones);
    if (zone === undefined || overridden.has(zone)) return undefined;
    const apex = name.length === zone.length;
    // What the zone above says of it is not for us to say: that it is not signed (RFC 8375 section 4).
    if (apex && type === Type.DS) return undefined;
    const { localhost, ipv4only, reverse, resolver, designated, nonTerminals } = known();
    const zoneKey = nameKey(zone);
    const key = nameKey(name);
    if (key === designated && type === Type.SVCB && designation !== undefined && designation.answers.length > 0) {
      const answers = designation.answers.map(one => ({ ...one, name }));
      const additionals = [...designation.additionals];
      return buildResponseOrFailure(query, { rcode: Rcode.NOERROR, answers, additionals, authoritative: true });
    }
    const pointsTo = reverse.get(key);
    const data: Uint8Array[] = [];
    if (zoneKey === localhost) {
      if (type === Type.A) data.push(encodeData('A', '127.0.0.1'));
      if (type === Type.AAAA) data.push(encodeData('AAAA', '::1'));
    } else if (zoneKey === ipv4only && apex && type === Type.A) {
      data.push(...IPV4ONLY);
    } else if (pointsTo !== undefined && type === Type.PTR) {
      data.push(pointsTo);
    }
    const answers: ResourceRecord[] = data.map(one => record(name, type, one));
    if (apex && type === Type.SOA) answers.push(this.#soa(zone));
    if (apex && type === Type.NS) answers.push(record(name, type, this.#names.nameServer ?? zone));
    const authoritative = true; // RFC 6303 section 3
    if (answers.length > 0) return buildResponseOrFailure(query, { rcode: Rcode.NOERROR, answers, authoritative });
    // Every name below localhost is localhost; at and below resolver.arpa there is nothing else (RFC 9462 section 4 wants
    // NODATA). What lies between a zone and a name in it is there too (RFC 8020 section 2).
    const exists =
      apex || zoneKey === localhost || zoneKey === resolver || pointsTo !== undefined || nonTerminals.has(key);
    const rcode = exists ? Rcode.NOERROR : Rcode.NXDOMAIN;
    return buildResponseOrFailure(query, { rcode, authorities: [this.#soa(zone)], authoritative });
  }

  #soa(zone: Uint8Array): ResourceRecord {
    return madeSoa(zone, TTL_SECONDS, this.#names);
  }
}
