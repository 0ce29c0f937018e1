// resolv.conf(5): servers, search list and options.
import { isIP } from 'node:net';

export interface ResolvConf {
  /** `192.0.2.1:53`, `[2001:db8::1]:53`; at most 8. */
  servers: string[];
  /** What stands in the place of an address and is none, such as one with a port: passed over. */
  unread: string[];
  /** Suffixes without a dot at the end; at most 32. */
  search: string[];
  ndots: number;
  /** Of one try. */
  timeoutMs: number;
  attempts: number;
  /** Spread questions over the servers; otherwise the fastest is asked. */
  rotate: boolean;
  /** `use-vc`: ask over TCP only. */
  useTcp: boolean;
  /** `trust-ad`: the servers validate, and the way to them is safe: who wants to know may believe their AD. */
  trustAd: boolean;
  /** `no-aaaa`: names have no IPv6 addresses, except in the hosts file. */
  noAaaa: boolean;
}

// The caps of resolv.conf(5); glibc itself stops at 3 servers.
const MAX = { servers: 8, search: 32, ndots: 15, timeout: 30, attempts: 5 };

/** Who is asked where nobody is named: the name server of this machine (resolv.conf(5)). */
const LOCAL_SERVER = '127.0.0.1:53';

/** What a process may set for itself (resolv.conf(5)). */
export interface ResolvEnvironment {
  /** In place of the search list. */
  LOCALDOMAIN?: string;
  /** Options after those of the file. */
  RES_OPTIONS?: string;
}

const words = (text: string): string[] => text.split(/\s+/).filter(word => word !== '');
const suffixes = (list: readonly string[]): string[] =>
  list.map(name => name.replace(/\.$/, '')).filter(name => name !== '');

function readOption(conf: ResolvConf, option: string): void {
  if (option === 'rotate') conf.rotate = true;
  else if (option === 'use-vc') conf.useTcp = true;
  else if (option === 'no-aaaa') conf.noAaaa = true;
  else if (option === 'trust-ad') conf.trustAd = true;
  const [, name, number] = /^(\w+):(\d+)$/.exec(option) ?? [];
  if (name === 'ndots') conf.ndots = Math.min(Number(number), MAX.ndots);
  else if (name === 'timeout') conf.timeoutMs = Math.max(1, Math.min(Number(number), MAX.timeout)) * 1000;
  else if (name === 'attempts') conf.attempts = Math.max(1, Math.min(Number(number), MAX.attempts));
}

/**
 * Lines and options that cannot be understood are passed over, as the C library does; so are options that change nothing
 * here: `edns0` (always), `single-request` (a socket is not tied to one question).
 */
export function parseResolvConf(text: string, environment: ResolvEnvironment = {}): ResolvConf {
  const conf: ResolvConf = {
    servers: [],
    unread: [],
    search: [],
    ndots: 1,
    timeoutMs: 5000,
    attempts: 2,
    rotate: false,
    useTcp: false,
    trustAd: false,
    noAaaa: false,
  };
  for (const line of text.replace(/^\ufeff/, '').split('\n')) {
    const [key, ...values] = words(line.replace(/[#;][^\n]*$/, ''));
    if (key === 'nameserver' && values.length > 0) {
      // With its scope, without which a link-local address cannot be reached.
      const [address] = values;
      const family = isIP(address);
      if (family === 0) conf.unread.push(address);
      else conf.servers.push(family === 6 ? `[${address}]:53` : `${address}:53`);
    } else if (key === 'domain' || key === 'search') {
      // The last of them counts.
      conf.search = suffixes(values);
    } else if (key === 'options') {
      for (const option of values) readOption(conf, option);
    }
  }
  const { LOCALDOMAIN, RES_OPTIONS } = environment;
  if (LOCALDOMAIN !== undefined) conf.search = suffixes(words(LOCALDOMAIN));
  for (const option of words(RES_OPTIONS ?? '')) readOption(conf, option);
  conf.servers = conf.servers.length === 0 ? [LOCAL_SERVER] : conf.servers.slice(0, MAX.servers);
  conf.search = conf.search.slice(0, MAX.search);
  conf.unread = conf.unread.slice(0, MAX.servers);
  return conf;
}
