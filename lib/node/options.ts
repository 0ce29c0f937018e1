// Options of lookups and resolvers inside a Node program, each with its default and source.
import { optionError } from '../base/errors.js';
import {
  type Field,
  flag,
  type InputOf,
  list,
  memory,
  oneOf,
  pathOrFalse,
  readFields,
  type SettingsOf,
  whole,
} from '../base/fields.js';
import { readSharing, sharingField } from './sharing-options.js';
import { PLAIN_TUNABLES } from '../cache/engine.js';
import type { Tunables } from '../native/binding.js';
import { encodeName } from '../wire/name.js';
import type { Secure } from './proof.js';
import { parseServer, SERVER_EXPECTED } from './server-place.js';

function serverExpected(text: unknown): string | undefined {
  try {
    if (typeof text === 'string') parseServer(text, '');
    else return 'expected a string';
    return undefined;
  } catch {
    return `expected ${SERVER_EXPECTED}`;
  }
}

/** As far as can be told without the validator, which reads them again when it is loaded. */
const ANCHOR =
  /^\s*(\S+)\s+(?:\d+\s+)?(?:IN\s+)?(?:\d+\s+)?(?:DS\s+\d{1,5}\s+\d{1,3}\s+\d{1,3}\s+(?:[\da-f]{2}\s*)+|DNSKEY\s+\d{1,5}\s+3\s+\d{1,3}\s+[\w+/=\s]+)$/i;

function isName(text: unknown): boolean {
  try {
    return typeof text === 'string' && text !== '' && encodeName(text).length > 0;
  } catch {
    return false;
  }
}
const anchorExpected = (text: unknown): string | undefined =>
  typeof text === 'string' && isName(ANCHOR.exec(text)?.[1])
    ? undefined
    : 'expected a DS or DNSKEY record as in zone files: name, type, data';
const nameExpected = (text: unknown): string | undefined => (isName(text) ? undefined : 'expected a domain name');

const lookupFields = {
  /**
   * Servers to ask, `192.0.2.1`, `[2001:db8::1]:5353`; those of resolv.conf if not given. `tls://9.9.9.9#dns.quad9.net` and
   * `https://9.9.9.9/dns-query#dns.quad9.net` are asked over TLS and HTTPS and in no other way; the name is that of their
   * certificate.
   */
  servers: list<string>(1, 8, serverExpected).optional(),
  /** Octets of the cache, such as 8MiB; all of it is taken at once, touched as it fills. */
  memory: memory.default('8MiB'),
  /** False: not read. */
  resolvConf: pathOrFalse.default('/etc/resolv.conf'),
  hostsFile: pathOrFalse.default('/etc/hosts'),
  /** Milliseconds for one question with all its tries; resolv.conf's timeout x attempts, at most 30 s, if not given. */
  timeoutMs: whole(10, 60_000).optional(),
  /**
   * Toward whom names go out in random letters, which make responses hard to forge: `public` leaves out servers on this
   * machine and in private networks, which may mind the letters.
   */
  letterCase: oneOf('public', 'always', 'never').default('public'),
  /** Order of addresses where the call does not say; Node's own default if not given. */
  order: oneOf('verbatim', 'ipv4first', 'ipv6first').optional(),
  /** Turn the addresses of a family by a random number of places. */
  rotate: flag.default(false),
  minTtlSeconds: whole(0, 86_400).default(0),
  maxTtlSeconds: whole(1, 604_800).default(86_400), // RFC 8767 section 4
  negativeMaxTtlSeconds: whole(1, 10_800).default(3600), // RFC 2308 section 5
  /** How long past its end an answer may serve where no server answers; 0 = never. */
  staleSeconds: whole(0, 259_200).default(86_400), // RFC 8767 section 5
  /**
   * Whether answers have to be proven (DNSSEC): `required` makes an error of what is not, `report` says of each result
   * whether it is. Expired answers then serve nobody. Not given: nothing is validated.
   */
  secure: oneOf('required', 'report').optional() as Field<Secure, Secure | undefined>,
  /**
   * The servers validate, and nobody is on the way to them who could change what they say: their word (AD) counts, and
   * nothing is validated here. Of servers that resolv.conf names it counts while that has `options trust-ad`.
   */
  trustAd: flag.default(false),
  /** DS or DNSKEY records as in zone files, in the place of the root's. */
  trustAnchors: list<string>(1, 256, anchorExpected).optional(),
  /** Names at and below which nothing has to prove itself, and nothing is secure (RFC 7646). */
  negativeTrustAnchors: list<string>(0, 4096, nameExpected).default([]),
  /** Answers that several processes share, in Redis or Valkey (docs/fleet.md). Not beside `secure`. */
  secondLevel: sharingField.optional(),
};
export type LookupOptions = InputOf<typeof lookupFields>;
export type LookupSettings = SettingsOf<typeof lookupFields>;

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and what was expected */
export function readLookupOptions(options: unknown): LookupSettings {
  const settings = readFields(lookupFields, options);
  const { secure, trustAd, trustAnchors, negativeTrustAnchors, secondLevel } = settings;
  if (secondLevel !== undefined) readSharing(secondLevel);
  if (secure !== undefined && secondLevel !== undefined) {
    throw optionError('secondLevel', 'an object', 'nothing beside `secure`: what others have found is not proven here');
  }
  if (secure === undefined) {
    const given = { trustAd: trustAd || undefined, trustAnchors, negativeTrustAnchors: negativeTrustAnchors[0] };
    for (const [name, value] of Object.entries(given)) {
      if (value !== undefined) throw optionError(name, value, 'nothing where `secure` is not given');
    }
  }
  if (trustAd && (trustAnchors ?? negativeTrustAnchors[0]) !== undefined) {
    throw optionError('trustAd', trustAd, 'nothing beside trust anchors: with it nothing is validated here');
  }
  return settings;
}

/** Those of them that the cache works by. */
export function tunablesOf(settings: LookupSettings): Tunables {
  const { minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds, staleSeconds, rotate } = settings;
  return {
    ...PLAIN_TUNABLES,
    minTtlSeconds,
    maxTtlSeconds,
    negativeMaxTtlSeconds,
    // Their signatures may have expired too.
    staleWindowSeconds: settings.secure === undefined ? staleSeconds : 0,
    prefetchShare2: 13,
    prefetchShare3: 26, // a tenth of the lifetime
    rotate: rotate ? 1 : 0,
  };
}
