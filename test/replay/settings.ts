// What the head of a scenario means to a server of ours: options, or the name of what it needs and we have not.
import type { ServerOptions } from '../../lib/server/settings/settings.js';
import { readAutotrust } from './autotrust.js';
import { LocalSettings } from './local-settings.js';
import { type HeadOption, type Scenario, Unsupported } from './scenario.js';

export interface Setup {
  options: ServerOptions;
  /** Unix time at which the scenario begins. */
  wallSeconds: number;
  nsec3Iterations: number;
  /** The state of trust anchors that follow their zones, where the scenario has them. */
  followed?: string;
  /** Response policy zones: their texts, and what is done in place of what they say. */
  policy: PolicyZone[];
}

export interface PolicyZone {
  name: string;
  text: string;
  action?: string;
  /** A name that it denies is told without RA there; here RA says what it says. */
  deniesWithoutRa?: boolean;
}

/** Options of the reference program that change nothing of what a client is told, or nothing that is tested here. */
const IGNORED = new Set(
  `verbosity log-queries log-replies log-servfail val-log-level directory msg-cache-size rrset-cache-size key-cache-size
  neg-cache-size infra-cache-slabs msg-cache-slabs rrset-cache-slabs key-cache-slabs num-queries-per-thread fake-sha1
  fake-dsa target-fetch-policy minimal-responses iter-scrub-promiscuous rrset-roundrobin 
  root-key-sentinel infra-cache-numhosts num-threads outgoing-range username chroot pidfile interface
  use-syslog edns-buffer-size max-udp-size harden-referral-path val-override-timestamp
  stub-name unknown-server-time-limit
  harden-large-queries harden-short-bufsize use-caps-for-id infra-host-ttl msg-buffer-size so-reuseport
  harden-unknown-additional dnssec-off val-permissive-mode name features feature-list val-bogus-ttl
  prefetch-key val-clean-additional infra-keep-probing val-sig-skew-min val-sig-skew-max ratelimit
  discard-timeout wait-limit ede-serve-expired outbound-msg-retry val-max-restart`
    .split(/\s+/)
    .filter(word => word !== ''),
);

/** Sizes of memory, logging and what tests of the reference program fake change nothing either. */
const isIgnored = (key: string): boolean => IGNORED.has(key) || /^(log|fake)-|-(cache-size|slabs)$/.test(key);

/** RFC 6890, but for what documentation uses. */
const PRIVATE_ADDRESSES = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::/128',
  '::1',
  'fc00::/7',
  'fe80::/10',
];

const yes = (value: string): boolean => value === 'yes' || value === 'on';

export function setupOf(scenario: Scenario): Setup {
  const anchors: string[] = [];
  const signs: Record<string, boolean | string> = { signal: false };
  const negative: string[] = [];
  const options = {
    udp: 'dgram',
    listen: ['127.0.0.1:0'],
    cache: { memory: '2MiB', rrsetMemory: '4MiB' } as Record<string, unknown>,
    resolver: {
      recursive: true,
      rootHints: [] as string[],
      doNotQuery: [] as string[],
      privateAddresses: [] as string[],
      privateDomains: [] as string[],
    } as Record<string, unknown>,
    // That program's NORR_TTL, which no option of it sets; nor does one keep it from telling what was secure for bogus.
    stale: { enabled: false, retrySeconds: 5, forBogus: true } as Record<string, unknown>,
    prefetch: { enabled: false } as Record<string, unknown>,
    upstream: { clientStrings: [] as object[] } as Record<string, unknown>,
    tcp: { keepalive: false } as Record<string, unknown>,
    dns64: {} as Record<string, unknown>,
    stubZones: [] as Record<string, unknown>[],
    forwardZones: [] as Record<string, unknown>[],
    upstreams: [] as string[],
    localZones: scenario.dialect === 'unbound' ? { nameServer: 'localhost' } : false,
    any: scenario.dialect === 'unbound' ? 'all' : 'one',
    allow: [] as string[],
    views: [] as object[],
    identity: undefined as string | undefined,
    version: undefined as string | undefined,
    local: { zones: [] as Record<string, unknown>[], records: [] as string[], authoritative: true },
  };
  const setup: Setup = {
    options: options as unknown as ServerOptions,
    wallSeconds: 1_700_000_000,
    nsec3Iterations: 150,
    policy: [],
  };
  const { resolver, cache, stale, upstream } = options;
  if (scenario.dialect === 'deckard') {
    readDeckardHead(scenario.head, setup, options, { anchors, negative });
    // Their set-up stands beside them, as code of another program.
    if (/\bDNS rebinding\b/.test(scenario.title)) {
      resolver.privateAddresses = PRIVATE_ADDRESSES;
      resolver.privateAnswers = 'refuse';
    }
    if (/^Forwarding\b/.test(scenario.title) && !scenario.head.some(one => /^(stub|forward)-addr$/.test(one.key))) {
      options.upstreams = scenario.ranges.flatMap(range => range.addresses);
      resolver.recursive = false;
    }
    if (scenario.forwarding) {
      options.upstreams = resolver.rootHints as string[];
      resolver.recursive = false;
      delete resolver.rootHints;
    }
  } else if (has(scenario, 'server', 'module-config')) {
    const modules = valueOf(scenario, 'server', 'module-config') ?? '';
    const known = ['dns64', 'validator', 'iterator', 'respip', ''];
    const other = modules.split(/\s+/).filter(one => !known.includes(one));
    if (other.length > 0) throw new Unsupported(`module ${other[0]}`);
  }
  let refused = false;
  const local = new LocalSettings();
  const zones = new Map<number, Record<string, unknown>>();
  for (const { clause, clauseNumber, key, value } of scenario.dialect === 'unbound' ? scenario.head : []) {
    if (clause === 'rpz') {
      readPolicyOption(setup.policy, clauseNumber, key, value);
      continue;
    }
    if (key === 'tempfile_contents') {
      const zone = setup.policy.at(-1);
      if (zone === undefined) throw new Unsupported('tempfile contents');
      zone.text = value;
      continue;
    }
    if (key === 'autotrust_file') {
      const { configured, text } = readAutotrust(value);
      anchors.push(...configured);
      setup.followed = text;
      // Time begins with the first step that lets it pass.
      setup.wallSeconds = 0;
      continue;
    }
    if (clause === 'stub-zone' || clause === 'forward-zone') {
      readZoneOption(zones, clauseNumber, clause, key, value);
      continue;
    }
    if (clause === 'view') {
      if (!local.readView(clauseNumber, key, value)) throw new Unsupported(`option ${clause} ${key}`);
      continue;
    }
    if (clause !== 'server' && clause !== '') throw new Unsupported(`${clause}:`);
    switch (key) {
      case 'qname-minimisation':
        resolver.qnameMinimisation = yes(value) ? 'relaxed' : 'off';
        break;
      case 'qname-minimisation-strict':
        if (yes(value)) resolver.qnameMinimisation = 'strict';
        break;
      case 'deny-any':
        options.any = yes(value) ? 'one' : 'all';
        break;
      case 'edns-tcp-keepalive':
        options.tcp.keepalive = yes(value);
        break;
      case 'edns-tcp-keepalive-timeout':
        options.tcp.idleTimeoutMs = Number(value);
        break;
      case 'edns-client-string': {
        const [, servers, text] = /^(\S+)\s+(.*)$/.exec(value)!;
        (upstream.clientStrings as object[]).push({ servers, text });
        break;
      }
      case 'edns-client-string-opcode':
        upstream.clientStringOption = Number(value);
        break;
      case 'dns64-prefix':
        options.dns64.prefix = value;
        break;
      case 'do-ip4':
        resolver.ipv4 = yes(value);
        break;
      case 'do-ip6':
        resolver.ipv6 = yes(value);
        break;
      case 'harden-glue':
        resolver.hardenGlue = yes(value);
        break;
      case 'harden-unverified-glue':
        resolver.verifyGlue = yes(value);
        break;
      case 'disable-edns-do':
        resolver.dnssecOk = !yes(value);
        break;
      case 'iter-scrub-ns':
        resolver.maxNameServers = Number(value);
        break;
      case 'identity':
      case 'version':
        options[key] = value;
        break;
      case 'hide-identity':
      case 'hide-version':
        if (yes(value)) delete options[key === 'hide-identity' ? 'identity' : 'version'];
        break;
      case 'do-not-query-address':
        (resolver.doNotQuery as string[]).push(value);
        break;
      case 'do-not-query-localhost':
        resolver.doNotQueryLocalhost = yes(value);
        break;
      case 'private-address':
        (resolver.privateAddresses as string[]).push(value);
        break;
      case 'private-domain':
        (resolver.privateDomains as string[]).push(value);
        break;
      case 'harden-below-nxdomain':
        resolver.nothingBelowNxdomain = yes(value);
        break;
      case 'serve-original-ttl':
        cache.originalTtl = yes(value);
        break;
      case 'cache-max-ttl':
        cache.maxTtlSeconds = Number(value);
        break;
      case 'cache-min-ttl':
        cache.minTtlSeconds = Number(value);
        break;
      case 'cache-max-negative-ttl':
        cache.negativeMaxTtlSeconds = Number(value);
        break;
      case 'cache-min-negative-ttl':
        cache.negativeMinTtlSeconds = Number(value);
        break;
      case 'max-query-restarts':
        resolver.maxAliases = Number(value);
        break;
      case 'max-global-quota':
        resolver.maxQueries = Number(value);
        break;
      case 'prefetch':
        options.prefetch = { enabled: yes(value), minHits: 0 };
        break;
      case 'serve-expired':
        stale.enabled = yes(value);
        break;
      case 'serve-expired-ttl':
        stale.windowSeconds = Math.min(Math.max(Number(value), 1), 259_200);
        break;
      case 'serve-expired-reply-ttl':
        stale.ttlSeconds = Number(value);
        break;
      case 'serve-expired-client-timeout':
        stale.clientTimeoutMs = Number(value);
        break;
      case 'access-control':
        {
          const [prefix, action] = value.split(/\s+/);
          if (/^allow(_snoop|_setrd)?$/.test(action)) options.allow.push(prefix);
          else if (/^refuse(_non_local)?$/.test(action)) refused = true;
          else throw new Unsupported(`access-control: ${value}`);
        }
        break;
      case 'val-nsec3-keysize-iterations':
        // By the size of keys, as RFC 5155 section 10.3 had it; now there is one limit: that of the least.
        setup.nsec3Iterations = Number(value.replaceAll('"', '').split(/\s+/)[1]);
        break;
      case 'harden-algo-downgrade':
        signs.hardenAlgorithmDowngrade = yes(value);
        signs.anyDigest = !yes(value);
        break;
      case 'trust-anchor-signaling':
        signs.signal = yes(value);
        break;
      case 'trust-anchor':
        anchors.push(value);
        break;
      case 'domain-insecure':
        negative.push(value);
        break;
      case 'val-override-date':
        setup.wallSeconds = /^\d{14}$/.test(value) ? unixTime(value) : Number(value);
        break;
      case 'trust-anchor-file':
      case 'auto-trust-anchor-file':
      case 'trusted-keys-file':
        throw new Unsupported(`option ${key}`);
      case 'ede':
      case 'module-config':
      case 'aggressive-nsec':
      case 'harden-dnssec-stripped':
        break;
      default:
        if (!isIgnored(key) && !local.read(key, value)) throw new Unsupported(`option ${key}`);
    }
  }
  if (scenario.dialect === 'unbound') {
    const { views, local: data } = local.build();
    Object.assign(options.local, data);
    options.views = views;
  }
  // Everybody may ask where nobody is refused; where some are, this machine by default is not (192.0.2.0/24: nobody).
  if (!refused) options.allow = [];
  else if (options.allow.length === 0) options.allow = ['192.0.2.0/24'];
  for (const zone of zones.values()) {
    const isRoot = zone.name === '.' && zone.kind === 'stub-zone';
    const { kind, hosts, ...rest } = zone;
    void hosts;
    if (isRoot) (resolver.rootHints as string[]).push(...(zone.servers as string[]));
    else (kind === 'stub-zone' ? options.stubZones : options.forwardZones).push(rest);
  }
  if ((resolver.rootHints as string[] | undefined)?.length === 0) delete resolver.rootHints;
  // There a signer's own anchor counts, whatever is configured below it.
  if (scenario.dialect === 'unbound') signs.nestedAnchors = 'any';
  // So do weaker digests, unless downgrades are refused.
  if (scenario.dialect === 'unbound') signs.anyDigest ??= true;
  const dnssec = { validate: anchors.length > 0, trustAnchors: anchors, negativeTrustAnchors: negative, ...signs };
  setup.options.dnssec = anchors.length > 0 ? dnssec : { validate: false };
  upstream.deadlineMs ??= 20_000;
  return setup;
}

/** Of those zones that stand in the scenario. */
function readPolicyOption(zones: PolicyZone[], number: number, key: string, value: string): void {
  const name = `zone ${number}`;
  if (zones.at(-1)?.name !== name) zones.push({ name, text: '' });
  const zone = zones.at(-1)!;
  switch (key) {
    case 'name':
    case 'zonefile':
    case 'rpz-log':
    case 'rpz-log-name':
      return;
    case 'rpz-signal-nxdomain-ra':
      zone.deniesWithoutRa = yes(value);
      return;
    case 'rpz-action-override':
      if (value !== 'passthru' && value !== 'nxdomain' && value !== 'nodata') break;
      zone.action = value;
      return;
  }
  throw new Unsupported(`option rpz ${key}`);
}

function readZoneOption(
  zones: Map<number, Record<string, unknown>>,
  number: number,
  clause: string,
  key: string,
  value: string,
): void {
  let zone = zones.get(number);
  if (zone === undefined) {
    zone = { kind: clause, servers: [] as string[] };
    zones.set(number, zone);
  }
  const servers = zone.servers as string[];
  switch (key.replace(/^(stub|forward)-/, '')) {
    case 'name':
      zone.name = value;
      break;
    case 'addr':
      servers.push(value.replace(/@(\d+)$/, ':$1'));
      break;
    case 'host':
      servers.push(value);
      break;
    case 'prime':
      zone.prime = yes(value);
      break;
    case 'first':
      zone.first = yes(value);
      break;
    case 'no-cache':
      zone.noCache = yes(value);
      break;
    case 'tcp-upstream':
      zone.tcp = yes(value);
      break;
    default:
      throw new Unsupported(`option ${clause} ${key}`);
  }
}

function readDeckardHead(
  head: readonly HeadOption[],
  setup: Setup,
  options: {
    resolver: Record<string, unknown>;
    forwardZones: Record<string, unknown>[];
    local: { records: string[]; authoritative: boolean };
  },
  { anchors, negative }: { anchors: string[]; negative: string[] },
): void {
  const { resolver } = options;
  resolver.qnameMinimisation = 'relaxed';
  setup.options.stale = {}; // as where its scenarios come from
  resolver.doNotQueryLocalhost = false; // the servers of many are there
  const forwarders: string[] = [];
  const hints: { name?: string; addr?: string } = {};
  for (const { key, value } of head) {
    switch (key) {
      case 'stub-addr':
        (resolver.rootHints as string[]).push(value.split(/\s/)[0]);
        break;
      case 'query-minimization':
        resolver.qnameMinimisation = yes(value) ? 'relaxed' : 'off';
        break;
      case 'do-ip6':
        resolver.ipv6 = yes(value);
        break;
      case 'do-ip4':
        resolver.ipv4 = yes(value);
        break;
      case 'harden-glue':
        resolver.hardenGlue = yes(value);
        break;
      case 'do-not-query-localhost':
        resolver.doNotQueryLocalhost = yes(value);
        break;
      case 'forward-addr':
        forwarders.push(value);
        break;
      case 'trust-anchor':
        anchors.push(value);
        break;
      case 'domain-insecure':
        negative.push(value);
        break;
      case 'val-override-timestamp':
        setup.wallSeconds = Number(value);
        break;
      case 'val-override-date':
        setup.wallSeconds = /^\d{14}$/.test(value) ? unixTime(value) : Number(value);
        break;
      case 'features':
      case 'feature-list': {
        const hint = /^static_hint_(name|addr) *= *(\S+)$/.exec(value);
        if (hint !== null) {
          hints[hint[1] as 'name' | 'addr'] = hint[2];
          break;
        }
        const known = /^(min_ttl|max_ttl) *= *(\d+)$/.exec(value);
        if (known === null) throw new Unsupported(`feature ${value}`);
        const cache = (setup.options.cache ?? {}) as Record<string, unknown>;
        cache[known[1] === 'min_ttl' ? 'minTtlSeconds' : 'maxTtlSeconds'] = Number(known[2]);
        break;
      }
      default:
        if (!isIgnored(key)) throw new Unsupported(`option ${key}`);
    }
  }
  if (hints.name !== undefined && hints.addr !== undefined) {
    const reverse = `${hints.addr.split('.').reverse().join('.')}.in-addr.arpa`;
    options.local.authoritative = false;
    options.local.records.push(`${hints.name} A ${hints.addr}`, `${reverse} PTR ${hints.name}`);
  }
  if (forwarders.length > 0) options.forwardZones.push({ name: '.', servers: forwarders });
}

const unixTime = (text: string): number => {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text)!.map(Number);
  return Date.UTC(y, mo - 1, d, h, mi, s) / 1000;
};

const has = (scenario: Scenario, clause: string, key: string): boolean => valueOf(scenario, clause, key) !== undefined;
const valueOf = (scenario: Scenario, clause: string, key: string): string | undefined =>
  scenario.head.find(one => one.clause === clause && one.key === key)?.value;
