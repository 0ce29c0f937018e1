// Options of a service, each with its default and source.
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { optionError } from '../base/errors.js';
import {
  Field,
  flag,
  fraction,
  having,
  type InputOf,
  isOptionsObject,
  milliseconds,
  oneOf,
  readFields,
  type SettingsOf,
  whole,
} from '../base/fields.js';
import { DnsClient } from '../node/client.js';
import { asciiName } from '../node/host-names.js';
import { encodeName } from '../wire/name.js';
import type { Endpoint } from './endpoint.js';
import type { Policy } from './policies/policy.js';
import type { RecordKind } from './records/found.js';

const text: Field<string> = new Field(value =>
  typeof value === 'string' && value !== '' && value.length <= 255
    ? undefined
    : 'expected a text of 1 to 255 characters',
);
/** Of a request line. */
const path: Field<string> = new Field(value =>
  typeof value === 'string' && /^\/[\x21-\x7e]{0,2000}$/.test(value)
    ? undefined
    : 'expected a path that begins with "/", in ASCII, without spaces',
);
const callable = <T>(): Field<T> =>
  new Field(value => (typeof value === 'function' ? undefined : 'expected a function'));
const textOrNone: Field<string> = new Field(value =>
  typeof value === 'string' && value.length <= 255 ? undefined : 'expected a text of at most 255 characters',
);
const nested = <T>(): Field<T> => new Field(value => (isOptionsObject(value) ? undefined : 'expected an object'));
const nestedOrFalse = <T>(): Field<T | false> =>
  new Field(value => (value === false || isOptionsObject(value) ? undefined : 'expected an object or false'));

/** What `tls.connect` takes, but for where to. */
export type TlsOptions = Omit<ConnectionOptions, 'host' | 'port' | 'path' | 'socket' | 'lookup'>;
const tlsOrNot: Field<boolean | TlsOptions> = new Field(value =>
  typeof value === 'boolean' || isOptionsObject(value) ? undefined : 'expected a boolean or an object',
);

function isDomain(value: unknown): boolean {
  try {
    return (
      typeof value === 'string' && value !== '' && isIP(value.replace(/\.$/, '')) === 0 && encodeName(value).length > 1
    );
  } catch {
    return false;
  }
}

/** One more try of a request that has not reached its endpoint, at another. */
const retryFields = {
  /** Beside the first try; 0 = none. */
  attempts: whole(0, 10).default(1),
  /** Before the first of them; it doubles with each, up to 30 s. 0: at once, since it is another endpoint. */
  backoffMs: milliseconds(0).default(0),
  /** The share of it that is random. */
  jitter: fraction(0, 1).default(0.5),
  /**
   * Retries of what an endpoint may have seen, as a share of requests, beside 10 at any time: a service that is overloaded is
   * not asked twice as often.
   */
  budget: fraction(0, 1).default(0.2), // as in Envoy's retry budgets
  /** Whether a failure is tried again; not given: what has reached no endpoint, and safe methods that have no response. */
  when: callable<(failure: RetryFailure) => boolean>().optional(),
};
export type RetryOptions = InputOf<typeof retryFields>;
export type RetrySettings = SettingsOf<typeof retryFields>;

export interface RetryFailure {
  readonly error: Error;
  readonly endpoint: Endpoint;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Whether the endpoint may have seen something of the request. */
  readonly sent: boolean;
  /** Of HTTP, where it is known. */
  readonly method: string | undefined;
}

/** When an endpoint is not used for a time, by what its requests come to (names as in Envoy and gRFC A50). */
const healthFields = {
  /** Failures in a row. */
  consecutiveFailures: whole(1, 1000).default(5),
  baseEjectionMs: milliseconds(1).default(30_000),
  maxEjectionMs: milliseconds(1).default(300_000),
  /** Of a priority, by opinion; those that nobody can connect to do not count. */
  maxEjectionPercent: whole(0, 100).default(50),
  /** How often success rates are compared; 0 = never. */
  intervalMs: milliseconds(0).default(10_000),
  /** So many endpoints with so many requests in an interval have to be there. */
  minimumHosts: whole(2, 1000).default(5),
  requestVolume: whole(1, 1_000_000).default(100),
  /** Out: a success rate below the mean less so many standard deviations. */
  stdevFactor: fraction(0, 10).default(1.9),
  /** HTTP statuses from here on are the endpoint's failure; 0 = none is. */
  failingStatus: whole(0, 599).default(0),
};
export type HealthOptions = InputOf<typeof healthFields>;
export type HealthSettings = SettingsOf<typeof healthFields>;

/** Asks endpoints how they are, whether anybody uses them or not. */
const checkFields = {
  /**
   * `tcp`: it accepts a connection; `http`: a GET of `path` is answered with a status below 400; `grpc`: it says that
   * `service` is SERVING (grpc.health.v1).
   */
  kind: oneOf('tcp', 'http', 'grpc').default('tcp'),
  path: path.default('/'),
  /** '': the server as a whole. */
  service: textOrNone.default(''),
  /** True, or what `tls.connect` takes; the server's name is by `servername`. */
  tls: tlsOrNot.default(false),
  intervalMs: milliseconds(100).default(10_000),
  timeoutMs: milliseconds(10).default(2000),
  /** In a row, until it is out. */
  failures: whole(1, 100).default(3),
};
export type CheckOptions = InputOf<typeof checkFields>;
export type CheckSettings = SettingsOf<typeof checkFields>;

export interface Filterable {
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
  readonly addresses: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly instance: string | undefined;
  readonly secure: boolean;
}

const serviceFields = {
  policy: oneOf('weighted', 'p2c', 'roundRobin', 'hash', 'first').default('weighted') as Field<Policy>,
  /**
   * Where endpoints are read from; `auto`: SRV for names that begin with `_`, else HTTPS records where no `port` is given;
   * then addresses, with `port`.
   */
  records: oneOf('auto', 'srv', 'svcb', 'https', 'dns-sd', 'address').default('auto') as Field<RecordKind | 'auto'>,
  /** Of what has none in DNS: addresses, and SVCB records without. */
  port: whole(1, 65_535).optional(),
  /** False: the service is given at once, before anything is known of it. */
  ready: flag.default(true),
  /** How long `discover` waits for a first set while servers fail. */
  readyMs: milliseconds(1).default(10_000),
  signal: new Field<AbortSignal>(value =>
    value instanceof AbortSignal ? undefined : 'expected an AbortSignal',
  ).optional(),
  /** Bounds on how often it is asked for, whatever TTLs say. */
  minRefreshMs: milliseconds(100).default(1000),
  maxRefreshMs: milliseconds(100).default(60_000),
  /** How long an empty set is not believed; nor a set of less than half. */
  emptyGraceMs: milliseconds(0).default(10_000),
  /** In which a new endpoint comes to its full weight; 0 = at once. */
  slowStartMs: milliseconds(0).default(10_000),
  maxEndpoints: whole(1, 4096).default(1024),
  /** Only so many of each priority are used, other ones by each client. */
  subset: whole(2, 4096).optional(),
  /** Who this client is among those that have a subset each; host name and process if not given. */
  clientId: text.optional(),
  /** Those of this zone first, by their metadata. */
  zone: text.optional(),
  /** Kubernetes with CoreDNS `zonal`: ask for the zone's endpoints, `prefer` for all where it has none. */
  zonal: oneOf('off', 'prefer', 'pin').default('off'),
  /** What metadata have to be. */
  where: nested<Readonly<Record<string, string>>>().optional(),
  filter: callable<(endpoint: Filterable) => boolean>().optional(),
  /** Whether TXT records of targets are asked for. */
  texts: flag.default(false),
  /** Which family is tried first; `fastest`: the one that connected last. */
  prefer: oneOf('system', 'ipv6', 'ipv4', 'fastest').default('system'),
  /**
   * Whose name certificates have to be for: the service's domain (RFC 6125 and 9525: without DNSSEC nobody proves targets),
   * `target`, or a name.
   */
  servername: text.default('service'),
  /** Targets outside of this domain are passed over; false = none is. */
  within: new Field<string | false>(value =>
    value === false || isDomain(value) ? undefined : 'expected a domain name or false',
  ).optional(),
  /** `required`: what is not proven (DNSSEC) is no answer; `report`: endpoints say whether they are. */
  secure: oneOf('required', 'report').optional() as Field<'required' | 'report', 'required' | 'report' | undefined>,
  retry: nested<RetryOptions>().optional(),
  health: nestedOrFalse<HealthOptions>().optional(),
  check: nested<CheckOptions>().optional(),
  connectTimeoutMs: milliseconds(10).default(3000),
  /** In metrics, in the place of its name, which never is there. */
  label: text.optional(),
  /** Whom to ask; by default a client of the thread's. */
  client: having<DnsClient>('query', 'close').optional(),
};
export type DiscoverOptions = InputOf<typeof serviceFields>;

type Read = SettingsOf<typeof serviceFields>;
export interface ServiceSettings extends Omit<Read, 'retry' | 'health' | 'check' | 'where' | 'within'> {
  /** With its final dot, in ASCII. */
  readonly name: string;
  /** Its labels that do not begin with `_`. */
  readonly domain: string;
  readonly kinds: readonly RecordKind[];
  readonly within: string | undefined;
  readonly where: readonly (readonly [string, string])[];
  readonly retry: RetrySettings;
  readonly health: HealthSettings | undefined;
  readonly check: CheckSettings | undefined;
}

const ADDRESS: readonly RecordKind[] = ['address'];

function kindsOf(records: RecordKind | 'auto', name: string, port: number | undefined): readonly RecordKind[] {
  if (records !== 'auto') return [records];
  if (name.startsWith('_')) return port === undefined ? ['srv'] : ['srv', ...ADDRESS];
  return port === undefined ? ['https', ...ADDRESS] : ADDRESS;
}

/**
 * Where certificates are for targets and nothing is proven, whoever forges an answer chooses the name that is proven: then
 * targets have to be in the service's parent domain, as in MongoDB's rule.
 */
function defaultWithin({ servername, secure }: Read, domain: string): string | undefined {
  if (servername !== 'target' || secure === 'required') return undefined;
  const parent = domain.slice(domain.indexOf('.') + 1);
  // Of a name with two labels the parent is a top level domain, where everybody is.
  return parent.includes('.') && domain.includes('.') ? parent : domain;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and what was expected */
export function readServiceOptions(given: unknown, options: unknown): ServiceSettings {
  const ascii = typeof given === 'string' ? asciiName(given) : undefined;
  // Of a URL, or an address with a port, some zone's wildcard would have an answer.
  if (ascii === undefined || !isDomain(ascii) || /[:/]/.test(ascii)) {
    const expected = 'the name of a service, such as _http._tcp.orders.example.com, without scheme and port';
    throw optionError('name', given, expected);
  }
  const name = ascii.endsWith('.') ? ascii : `${ascii}.`;
  const read = readFields(serviceFields, options);
  if (read.maxRefreshMs < read.minRefreshMs) {
    throw optionError('maxRefreshMs', read.maxRefreshMs, `no less than minRefreshMs (${read.minRefreshMs})`);
  }
  if (read.secure !== undefined && read.client !== undefined && read.client.settings.secure === undefined) {
    throw optionError('secure', read.secure, 'a client that was made with `secure`');
  }
  if (read.zonal !== 'off' && read.zone === undefined) throw optionError('zonal', read.zonal, '`zone` beside it');
  if (read.zonal !== 'off' && !isDomain(`${read.zone}.${read.zonal}._zone.${name}`)) {
    throw optionError('zone', read.zone, 'what is part of a domain name, beside `zonal`');
  }
  const labels = name.slice(0, -1).split('.');
  const domain = labels.slice(labels.findIndex(label => !label.startsWith('_'))).join('.');
  if (domain.startsWith('_')) throw optionError('name', given, 'a domain behind the labels that begin with "_"');
  const where = Object.entries(read.where ?? {});
  const wrong = where.find(([, value]) => typeof value !== 'string');
  if (wrong !== undefined) throw optionError(`where.${wrong[0]}`, wrong[1], 'a string');
  const within = read.within === undefined ? defaultWithin(read, domain) : read.within || undefined;
  return {
    ...read,
    name,
    domain,
    kinds: kindsOf(read.records, name, read.port),
    within,
    where: where.map(([key, value]) => [key.toLowerCase(), value] as const),
    retry: readFields(retryFields, read.retry, 'retry'),
    health: read.health === false ? undefined : readFields(healthFields, read.health, 'health'),
    check: read.check && readFields(checkFields, read.check, 'check'),
  };
}
