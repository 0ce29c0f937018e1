// resolv.conf(5): servers, search list and options.
import { isIP } from 'node:net';

export interface ResolvConf {
  /** `192.0.2.1:53`, `[2001:db8::1]:53`, `[fe80::1%eth0]:53`; at most 8. This machine's own where there is none. */
  servers: string[];
  /** Suffixes without a dot at the end; at most 32. */
  search: string[];
  ndots: number;
  /** Of one try. */
  timeoutMs: number;
  attempts: number;
  /** Spread questions over the servers; otherwise the fastest is asked. */
  rotate: boolean;
}

// The caps of resolv.conf(5); glibc itself stops at 3 servers.
const MAX = { servers: 8, search: 32, ndots: 15, timeout: 30, attempts: 5 };

/** Who is asked where nobody is named: the name server of this machine (resolv.conf(5)). */
const LOCAL_SERVER = '127.0.0.1:53';

/** Lines that cannot be understood are passed over, as the C library does. */
export function parseResolvConf(text: string): ResolvConf {
  const conf: ResolvConf = { servers: [], search: [], ndots: 1, timeoutMs: 5000, attempts: 2, rotate: false };
  for (const line of text.split(/\r?\n/)) {
    const [key, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (key === 'nameserver' && values.length > 0) {
      // With its scope, where it has one: fe80::53%eth0 cannot be reached without.
      const [address] = values;
      const family = isIP(address);
      if (family !== 0) conf.servers.push(family === 6 ? `[${address}]:53` : `${address}:53`);
    } else if (key === 'domain' || key === 'search') {
      // The last of them counts.
      conf.search = values.map(name => name.replace(/\.$/, '')).filter(name => name !== '');
    } else if (key === 'options') {
      for (const option of values) {
        if (option === 'rotate') conf.rotate = true;
        const [, name, number] = /^(\w+):(\d+)$/.exec(option) ?? [];
        if (name === 'ndots') conf.ndots = Math.min(Number(number), MAX.ndots);
        else if (name === 'timeout') conf.timeoutMs = Math.max(1, Math.min(Number(number), MAX.timeout)) * 1000;
        else if (name === 'attempts') conf.attempts = Math.max(1, Math.min(Number(number), MAX.attempts));
      }
    }
  }
  conf.servers = conf.servers.length === 0 ? [LOCAL_SERVER] : conf.servers.slice(0, MAX.servers);
  conf.search = conf.search.slice(0, MAX.search);
  return conf;
}
