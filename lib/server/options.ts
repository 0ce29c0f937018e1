// Every option of the server: its type, default, bounds and source. One schema serves createServer(), update() and the
// configuration file.
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { parsePrefix, parseSocketAddress } from '../base/address.js';
import { ShardnsError, show } from '../base/errors.js';
import { count, issueText, memoryOption, pathOption, regionShape } from '../base/options.js';
import { prefixKey } from '../base/prefix-table.js';
import { MAX_GATE_PREFIXES } from '../clients/gate.js';
import { checkAliases, LOCAL_ZONE_KINDS, parseLocalRecord } from '../resolve/local-data.js';
import { checkZoneSwitch } from '../resolve/local-zones.js';
import { RECURSION_LIMITS } from '../resolve/recurse/limits.js';
import { parseZoneServer } from '../resolve/recurse/zones.js';
import { encodeName } from '../wire/name.js';
import type { TcpOptions } from './tcp-connections.js';

/** Where nobody says. */
export const DEFAULT_LISTEN: readonly string[] = ['127.0.0.1:5300', '[::1]:5300'];

const custom = <T>(parse: (text: string) => T): ((text: string, context: z.RefinementCtx) => void) => {
  return (text, context) => {
    try {
      parse(text);
    } catch (error) {
      // The value is named by whoever reports the issue.
      const message = (error as Error).message.replace(/^: expected/, 'expected').replace(`, got ${show(text)}`, '');
      context.addIssue({ code: 'custom', message });
    }
  };
};
const listenAddress = z.string().superRefine(custom(text => parseSocketAddress(text, '')));
const upstreamAddress = z.string().superRefine(custom(text => parseSocketAddress(text, '', 53)));
const prefix = z.string().superRefine(custom(text => parsePrefix(text, '')));
const address = z.string().refine(text => isIP(text) !== 0, 'expected a numeric address');
const domainName = z.string().superRefine(custom(text => encodeName(text)));
/** Servers of a zone: addresses, with a port perhaps, or host names. */
const zoneServer = z.string().superRefine(custom(text => parseZoneServer(text)));
const zoneShape = {
  name: domainName,
  servers: z.array(zoneServer).min(1).max(64),
  /** Resolve as if the zone was not configured when its servers fail. */
  first: z.boolean().default(false),
  tcp: z.boolean().default(false),
  /** Ask for each answer anew. */
  noCache: z.boolean().default(false),
};
/** Answers of one's own. */
const localShape = z
  .strictObject({
    zones: z
      .array(z.strictObject({ name: domainName, kind: z.enum(LOCAL_ZONE_KINDS) }))
      .max(100_000)
      .default([]),
    /** `name [ttl] type data`, as in a zone file; names are absolute. */
    records: z
      .array(z.string().superRefine(custom(text => parseLocalRecord(text))))
      .max(100_000)
      .default([]),
    /** AA in what is answered from here. */
    authoritative: z.boolean().default(true),
  })
  .superRefine((local, context) => {
    try {
      checkAliases(local);
    } catch (error) {
      // A record that cannot be read has been told already.
      if (!/^expected aliases/.test((error as Error).message)) return;
      context.addIssue({ code: 'custom', message: (error as Error).message, path: ['records'] });
    }
  });
const seconds = (max: number) => z.number().int().min(0).max(max);

/** No two views have one name, or the same clients, however their prefix is written. */
function oneViewEach(views: readonly { name: string; clients: string[] }[], context: z.RefinementCtx): void {
  const names = new Set<string>();
  const viewOf = new Map<string, number>();
  for (const [i, { name, clients }] of views.entries()) {
    if (names.has(name)) {
      context.addIssue({ code: 'custom', message: 'expected a name that no other view has', path: [i, 'name'] });
    }
    names.add(name);
    for (const [j, client] of clients.entries()) {
      let key: string;
      try {
        key = prefixKey(parsePrefix(client, ''));
      } catch {
        continue; // told already
      }
      if ((viewOf.get(key) ?? i) !== i) {
        const path = [i, 'clients', j];
        context.addIssue({ code: 'custom', message: 'expected clients of one view only', path });
      }
      viewOf.set(key, i);
    }
  }
}

interface MetricsSettings {
  listen: string;
  hosts: string[];
  token?: string;
}

export const serverSchema = z
  .strictObject({
    /** Addresses to answer on, UDP and TCP. */
    listen: z
      .array(listenAddress)
      .min(1)
      .max(64)
      .default([...DEFAULT_LISTEN]),
    /** `native`: threads of our own; `dgram`: Node's sockets, where the native plane cannot run. */
    udp: z.enum(['native', 'dgram']).default(process.platform === 'linux' ? 'native' : 'dgram'),
    /** Receiving threads for each address; 0 = one a core. */
    threads: count(0, 256).default(0),
    /** Bind each thread to one core. */
    pin: z.boolean().default(false),
    /** Clients that may ask; empty = everybody that reaches the address. */
    allow: z.array(prefix).max(MAX_GATE_PREFIXES).default([]),
    tcp: z
      .strictObject({
        enabled: z.boolean().default(true),
        maxConnections: count(1, 100_000).default(1000),
        /** Of these, for one client (address or IPv6 /56); default: an eighth, at least 8. */
        maxConnectionsPerClient: count(1, 100_000).optional(),
        idleTimeoutMs: count(100, 3_600_000).default(10_000), // RFC 7766 section 6.2.3: a few seconds
        /** How long a query may take from its first octet to its last. */
        messageTimeoutMs: count(100, 3_600_000).default(5000),
        /** RFC 7828: clients that ask are told how long an idle connection stays open. */
        keepalive: z.boolean().default(true),
        maxPipelined: count(1, 65_535).default(128),
        /** Replies that a client has not read. */
        maxQueuedBytes: count(65_537, 2 ** 30).default(2 ** 20),
        /** What all connections hold together; beyond it the one that holds most is closed. */
        maxTotalBytes: count(2 ** 20, 2 ** 40).default(64 * 2 ** 20),
      })
      .prefault({}),
    cache: z
      .strictObject({
        ...regionShape,
        memory: memoryOption.default('128MiB'),
        /** A file to keep it in, on tmpfs or a disk: warm after a restart, common to the servers that name it. */
        file: pathOption.optional(),
        /** What the answers are for: servers over one file or shared cache whose hooks decide differently need different ones. */
        scope: z.string().max(255).default(''),
        averageEntryBytes: count(64, 65_536).default(184),
        /** Octets of the RRset cache, where there is recursion; default: twice `memory`. */
        rrsetMemory: memoryOption.optional(),
        minTtlSeconds: seconds(86_400).default(0),
        maxTtlSeconds: count(1, 604_800).default(86_400), // RFC 8767 section 4: no more than 7 days
        negativeMinTtlSeconds: seconds(10_800).default(0),
        negativeMaxTtlSeconds: count(1, 10_800).default(3600), // RFC 2308 section 5: 1 to 3 hours
        ttlJitterPercent: count(0, 50).default(0),
        rotate: z.boolean().default(false),
        /** TTLs in replies as they came, not reduced by age nor clamped: for a cache behind others that count themselves. */
        originalTtl: z.boolean().default(false),
      })
      .prefault({}),
    stale: z
      .strictObject({
        enabled: z.boolean().default(true),
        windowSeconds: count(1, 259_200).default(86_400), // RFC 8767 section 5: 1 to 3 days
        ttlSeconds: count(1, 300).default(30), // RFC 8767 section 4
        clientTimeoutMs: count(0, 60_000).default(1800), // RFC 8767 section 5
        retrySeconds: count(1, 300).default(30), // RFC 8767 section 5
      })
      .prefault({}),
    failure: z
      .strictObject({
        firstSeconds: count(1, 300).default(5), // RFC 9520 section 3.2
        maxSeconds: count(1, 300).default(300), // RFC 9520 section 3.2: at most 5 minutes
      })
      .prefault({}),
    prefetch: z
      .strictObject({
        enabled: z.boolean().default(true),
        /** Share of the TTL, before its end, in which a popular entry is refreshed; half of it for less popular ones. */
        share: z.number().min(0).max(0.9).default(0.1),
        maxPerSecond: count(0, 1_000_000).default(500),
        /** Hits since it was stored that make an entry popular enough; one with just so many has half the share. */
        minHits: count(0, 3).default(2),
        /** Probabilistic early refresh exp(-remaining / beta); 0 = off. */
        earlyRefreshBetaSeconds: z.number().min(0).max(3600).default(0),
      })
      .prefault({}),
    /** Clients that `onQuery` sorts into tenants, which share no answers. */
    tenants: z
      .strictObject({
        enabled: z.boolean().default(false),
        /** Client addresses remembered; of others `onQuery` is asked again. */
        clients: count(16, 1_048_576).default(65_536),
        /** How long a client's tenant is remembered. */
        seconds: count(1, 86_400).default(300),
      })
      .prefault({}),
    /** Where misses go. Strings, or named groups for `onQuery`; the group `default` serves everything else. */
    upstreams: z
      .union([
        z.array(upstreamAddress).max(64),
        z
          .record(z.string().min(1), z.array(upstreamAddress).min(1).max(64))
          .refine(groups => 'default' in groups, 'expected a group named "default"'),
      ])
      .default([]),
    /** Resolution from the root down. */
    resolver: z
      .strictObject({
        /** Default: where no upstream is given. */
        recursive: z.boolean().optional(),
        /** Addresses of root servers in the place of those built in. */
        rootHints: z.array(address).min(1).max(64).optional(),
        /** Where name servers listen. */
        port: count(1, 65_535).default(53),
        /** Threads that resolve beside the main one; default: 2 on machines of four cores and more, else none. */
        workers: count(0, 64).optional(),
        ipv4: z.boolean().default(true),
        ipv6: z.boolean().default(true),
        /** RFC 9156; `relaxed` asks for the whole name where a server fails at a part of it. */
        qnameMinimisation: z.enum(['off', 'relaxed', 'strict']).default('relaxed'),
        /** RFC 8020. */
        nothingBelowNxdomain: z.boolean().default(true),
        /** Ask name servers for signatures (DO), so that clients may have them. */
        dnssecOk: z.boolean().default(true),
        /** Name servers of a zone that are looked at and shown; of more the first ones. */
        maxNameServers: count(1, 100).default(RECURSION_LIMITS.nsRecords),
        /** Addresses that come with a referral are believed only inside the zone of those who give them. */
        hardenGlue: z.boolean().default(true),
        /** Addresses of name servers from beside the zone are looked up before they are used. */
        verifyGlue: z.boolean().default(false),
        maxQueries: count(1, 1000).default(RECURSION_LIMITS.queries),
        maxDepth: count(1, 100).default(RECURSION_LIMITS.depth),
        maxAliases: count(0, 100).default(RECURSION_LIMITS.aliases),
        /** Servers that are never asked. */
        doNotQuery: z.array(prefix).max(4096).default([]),
        doNotQueryLocalhost: z.boolean().default(true),
        /** Addresses that names of the outside may not have (rebinding), but for those of `privateDomains`. */
        privateAddresses: z.array(prefix).max(4096).default([]),
        privateDomains: z.array(domainName).max(4096).default([]),
        /** What becomes of an answer with such an address: it goes without, or is refused. */
        privateAnswers: z.enum(['strip', 'refuse']).default('strip'),
      })
      .prefault({}),
    /** Zones whose servers are given: asked as authoritative servers are. */
    stubZones: z
      .array(
        z.strictObject({ ...zoneShape, /** Ask for the zone's own NS set first. */ prime: z.boolean().default(false) }),
      )
      .max(4096)
      .default([]),
    /** Zones whose questions go to other resolvers. */
    forwardZones: z.array(z.strictObject(zoneShape)).max(4096).default([]),
    local: localShape.prefault({}),
    /** Local data for some clients, by where they ask from; the longest prefix decides. */
    views: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(64),
          clients: z.array(prefix).min(1).max(4096),
          /** Names that the view says nothing of are looked for in `local`. */
          inherit: z.boolean().default(true),
          local: localShape.prefault({}),
        }),
      )
      .max(1024)
      .default([])
      .superRefine(oneViewEach),
    upstream: z
      .strictObject({
        deadlineMs: count(50, 60_000).default(5000),
        hedge: z.boolean().default(true),
        maxInFlight: count(1, 65_536).default(2048),
        maxTotal: count(1, 65_536).default(8192),
        udpSize: count(512, 4096).default(1232), // RFC 9715 section 3.1
        clientSubnet: z.enum(['strip', 'forward']).default('strip'),
        /**
         * Toward whom names go out in random letters, which make responses hard to forge: `public` leaves out servers on
         * this machine and in private networks, where forwarders mind the letters and nobody is off the path.
         */
        letterCase: z.enum(['public', 'always', 'never']).default('public'),
        /** Text for some servers, in an option of each query to them: who asks, where they tell customers apart by it. */
        clientStrings: z
          .array(z.strictObject({ servers: prefix, text: z.string().min(1).max(255) }))
          .max(4096)
          .default([]),
        clientStringOption: count(1, 65_535).default(65_001), // RFC 6891 section 9: for local use
      })
      .prefault({}),
    missRing: z
      .strictObject({
        flights: count(16, 65_536).default(4096),
        waiters: count(16, 1_048_576).default(16_384),
        /** Share of both that one client (an address, for IPv6 a /56) may hold in any case; more while as much is free. */
        clientShare: z
          .number()
          .gt(0, 'expected a share above 0, at most 1')
          .max(1, 'expected a share above 0, at most 1')
          .default(1 / 8),
      })
      .prefault({}),
    /** Save the cache to a file at intervals and at the end, and load it at the start. */
    snapshot: z
      .strictObject({
        file: pathOption,
        /** 0 = only at the end. */
        intervalSeconds: count(0, 86_400).default(300),
      })
      .optional(),
    /** Ask for names at the start: from a list, or the most frequent ones of a query log. */
    warm: z
      .strictObject({
        file: pathOption,
        top: count(1, 1_000_000).default(10_000),
        perSecond: count(1, 1_000_000).default(100),
      })
      .optional(),
    /** Greatest UDP reply. */
    udpSize: count(512, 4096).default(1232), // RFC 9715 section 3.1
    receiveBufferBytes: count(4096, 2 ** 30).default(4 * 2 ** 20),
    /**
     * Built-in zones: localhost, invalid, test, onion, home.arpa, resolver.arpa, ipv4only.arpa, reverse zones of private
     * addresses. `without` lets some be resolved as any other; `with` adds `local` (RFC 6762 section 22.1).
     */
    localZones: z
      .union([
        z.boolean(),
        z.strictObject({
          without: z
            .array(z.string().superRefine(custom(name => checkZoneSwitch(name, 'without'))))
            .max(256)
            .default([]),
          with: z
            .array(z.string().superRefine(custom(name => checkZoneSwitch(name, 'with'))))
            .max(256)
            .default([]),
        }),
      ])
      .default(true),
    /** Told to those who ask for id.server or version.server in class CH; nothing is told without them. */
    identity: z.string().min(1).max(255).optional(),
    version: z.string().min(1).max(255).optional(),
    /** Prometheus text and /healthz; not served without it. */
    metrics: z
      .union([
        listenAddress,
        z.strictObject({
          listen: listenAddress,
          /** Names that requests may call it by, beside numeric addresses and localhost: others may be a web page's. */
          hosts: z.array(domainName).max(64).default([]),
          /** Expected of those who ask for /metrics or /trace: `Authorization: Bearer TOKEN`. */
          token: z
            .string()
            .regex(/^[\x21-\x7e]{16,512}$/, 'expected 16 to 512 visible ASCII characters')
            .optional(),
        }),
      ])
      .transform((value): MetricsSettings => {
        if (typeof value === 'string') return { listen: value, hosts: [] };
        return { ...value, hosts: value.hosts.map(host => host.toLowerCase().replace(/\.$/, '')) };
      })
      .optional(),
    log: z.strictObject({ level: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info') }).prefault({}),
  })
  .superRefine((settings, context) => {
    const { cache, failure } = settings;
    const ordered = (path: string[], least: number, most: number): void => {
      if (least <= most) return;
      context.addIssue({ code: 'custom', path, message: `expected at most its greatest value, which is ${most}` });
    };
    ordered(['cache', 'minTtlSeconds'], cache.minTtlSeconds, cache.maxTtlSeconds);
    ordered(['cache', 'negativeMinTtlSeconds'], cache.negativeMinTtlSeconds, cache.negativeMaxTtlSeconds);
    ordered(['failure', 'firstSeconds'], failure.firstSeconds, failure.maxSeconds);
  })
  .superRefine(({ allow, views }, context) => {
    const count = views.reduce((sum, { clients }) => sum + clients.length, allow.length);
    if (count <= MAX_GATE_PREFIXES) return;
    const message = `expected at most ${MAX_GATE_PREFIXES} prefixes in allow and views together, which have ${count}`;
    context.addIssue({ code: 'custom', path: ['views'], message });
  })
  .refine(settings => !settings.tenants.enabled || settings.views.length === 0, {
    path: ['views'],
    message: 'expected none where tenants.enabled is set: each sorts clients in its own way',
  });

/** What createServer() takes. */
export type ServerOptions = z.input<typeof serverSchema>;
/** The same with every default filled in. */
export type ServerSettings = z.output<typeof serverSchema>;

export interface OptionIssue {
  /** `cache.memory`, `upstreams[1]`. */
  path: (string | number)[];
  message: string;
  value: unknown;
}

/** All that is wrong with an options object. */
export function checkOptions(input: unknown): { settings: ServerSettings } | { issues: OptionIssue[] } {
  const result = serverSchema.safeParse(input, { reportInput: true });
  if (result.success) return { settings: result.data };
  const issues: OptionIssue[] = [];
  const collect = (list: z.core.$ZodIssue[], base: (string | number)[]): void => {
    for (const issue of list) {
      const path = [...base, ...(issue.path as (string | number)[])];
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys)
          issues.push({ path: [...path, key], message: 'is not an option', value: valueAt(input, [...path, key]) });
      } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
        collect(formMeant(issue.errors as z.core.$ZodIssue[][], valueAt(input, path)), path);
      } else {
        issues.push({
          path,
          message: issueText(issue.message),
          value: valueAt(input, path),
        });
      }
    }
  };
  collect(result.error.issues, []);
  return { issues };
}

/** Of several forms that a value may have, what is wrong with it in the one that was meant. */
function formMeant(forms: z.core.$ZodIssue[][], value: unknown): z.core.$ZodIssue[] {
  const ofItsType = forms.find(issues => !issues.some(one => one.code === 'invalid_type' && one.path.length === 0));
  return ofItsType ?? forms[Array.isArray(value) || forms.length === 1 ? 0 : 1];
}

function valueAt(input: unknown, path: (string | number)[]): unknown {
  let value: unknown = input;
  for (const key of path) value = (value as Record<string | number, unknown> | undefined)?.[key];
  return value;
}

export function formatPath(path: (string | number)[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

export function describeIssue(issue: OptionIssue): string {
  return `${formatPath(issue.path)}: ${issue.message}, got ${show(issue.value)}`;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming every wrong option */
export function readOptions(input: unknown): ServerSettings {
  const result = checkOptions(input);
  if ('settings' in result) return result.settings;
  throw new ShardnsError('ERR_SHARDNS_OPTION', result.issues.map(describeIssue).join('; '));
}

/** Threads that resolve beside the main one. */
export function workersOf({ resolver }: ServerSettings): number {
  return resolver.workers ?? (availableParallelism() >= 4 ? 2 : 0);
}

const MAX_CHANGED_NAMES = 1024;

/** Names at and below which these settings give other local answers than those before; `all` where they are many. */
export function changedLocalNames(before: ServerSettings | undefined, after: ServerSettings): string[] | 'all' {
  const linesOf = ({ local }: ServerSettings): Map<string, string> =>
    new Map([
      ...local.zones.map(({ name, kind }) => [`${name} ${kind}`, name] as const),
      ...local.records.map(record => [record, record.trim().split(/\s/, 1)[0]] as const),
    ]);
  const next = linesOf(after);
  const old = before === undefined ? new Map<string, string>() : linesOf(before);
  const changed = [...old, ...next].filter(([line]) => old.has(line) !== next.has(line)).map(([, name]) => name);
  const other =
    before !== undefined &&
    (!isDeepStrictEqual(before.localZones, after.localZones) ||
      before.local.authoritative !== after.local.authoritative);
  return other || changed.length > MAX_CHANGED_NAMES ? 'all' : [...new Set(changed)];
}

/** What TCP connections may have. */
export function tcpOptionsOf({ tcp }: ServerSettings): TcpOptions {
  const share = tcp.maxConnectionsPerClient ?? Math.max(8, Math.ceil(tcp.maxConnections / 8));
  return { ...tcp, maxConnectionsPerClient: Math.min(share, tcp.maxConnections) };
}

export function threadsOf(settings: ServerSettings): number {
  return settings.threads === 0 ? availableParallelism() : settings.threads;
}

/** The upstream groups in one form. */
export function groupsOf(settings: ServerSettings): Record<string, string[]> {
  return Array.isArray(settings.upstreams) ? { default: settings.upstreams } : settings.upstreams;
}
