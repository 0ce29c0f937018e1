// Options of lookups and resolvers inside a Node program, each with its default and source.
import { parseSocketAddress } from '../base/address.js';
import {
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
import { PLAIN_TUNABLES } from '../cache/engine.js';
import type { Tunables } from '../native/binding.js';

function serverExpected(text: unknown): string | undefined {
  try {
    if (typeof text === 'string') parseSocketAddress(text, '', 53);
    else return 'expected a string';
    return undefined;
  } catch {
    return 'expected ADDRESS, ADDRESS:PORT or [IPv6]:PORT';
  }
}

const lookupFields = {
  /** Servers to ask, `192.0.2.1`, `[2001:db8::1]:5353`; those of resolv.conf if not given. */
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
};
export type LookupOptions = InputOf<typeof lookupFields>;
export type LookupSettings = SettingsOf<typeof lookupFields>;

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and what was expected */
export function readLookupOptions(options: unknown): LookupSettings {
  return readFields(lookupFields, options);
}

/** Those of them that the cache works by. */
export function tunablesOf(settings: LookupSettings): Tunables {
  const { minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds, staleSeconds, rotate } = settings;
  return {
    ...PLAIN_TUNABLES,
    minTtlSeconds,
    maxTtlSeconds,
    negativeMaxTtlSeconds,
    staleWindowSeconds: staleSeconds,
    prefetchShare2: 13,
    prefetchShare3: 26, // a tenth of the lifetime
    rotate: rotate ? 1 : 0,
  };
}
