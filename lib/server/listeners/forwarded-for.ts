// Whom proxies ask for, as they say it in HTTP: `X-Forwarded-For`, or `Forwarded` (RFC 7239). Each proxy on the way adds who
// has asked it to the end; so it is read from the end, and the first address that is no proxy of ours is the client: what
// stands before that, anybody may have written.
//
// Bounds: MAX_HOPS of the last entries; the head of a request has its own.
import { isIP } from 'node:net';
import { addressOctets, type AddressPrefix, formatAddress, isMapped } from '../../base/address.js';
import { PrefixTable } from '../../base/prefix-table.js';
import type { StreamClient } from './stream-session.js';

/** Proxies that stand behind each other. */
const MAX_HOPS = 16;

export type ForwardedHeader = 'x-forwarded-for' | 'forwarded';

export interface ForwardedRules {
  /** Where the proxies are that are believed. */
  readonly from: readonly AddressPrefix[];
  /** The one that they all write: what a client has put into the other one is passed on by them. */
  readonly header: ForwardedHeader;
}

/** Requests of proxies. */
export interface ForwardedStats {
  /** With a client's address. */
  proxied: number;
  /** Without one, as of health checks: they ask for themselves. */
  local: number;
  /** With something in its place that is no address. The proxy that has passed it on is the client then. */
  invalid: number;
}

export class ForwardedFor {
  #table = new PrefixTable<true>([]);
  #rules: ForwardedRules = { from: [], header: 'x-forwarded-for' };
  readonly stats: ForwardedStats = { proxied: 0, local: 0, invalid: 0 };

  /** From the next request on. */
  use(rules: ForwardedRules): void {
    this.#rules = rules;
    this.#table = new PrefixTable(rules.from.map(prefix => [prefix, true] as const));
  }
  get from(): readonly AddressPrefix[] {
    return this.#rules.from;
  }

  /** By which header the proxy at that address says for whom it asks; undefined: there is none. */
  headerOf(address: string): ForwardedHeader | undefined {
    return this.#rules.from.length > 0 && this.#table.find(address) === true ? this.#rules.header : undefined;
  }

  /**
   * Who asks.
   * @param text of `header`, all its lines with a comma between them
   * @param peer whoever is at the other end of the connection
   */
  clientOf(text: string, header: ForwardedHeader, peer: StreamClient): StreamClient {
    // Another header than the connection began with, or a proxy that is none any more.
    if (this.headerOf(peer.address) !== header) return peer;
    let client = peer;
    let end = text.length;
    for (let hops = 0; hops < MAX_HOPS && end > 0; hops++) {
      const comma = header === 'forwarded' ? lastCommaOf(text, end) : text.lastIndexOf(',', end - 1);
      const entry = text.slice(comma + 1, end).trim();
      end = comma;
      if (entry === '') continue;
      const hop = header === 'forwarded' ? forwardedHop(entry) : hopOf(entry);
      if (hop === undefined) {
        this.stats.invalid++;
        return client;
      }
      client = hop;
      if (this.#table.find(hop.address) !== true) break;
    }
    this.stats[client === peer ? 'local' : 'proxied']++;
    return client;
  }
}

/** Where the last comma before `end` is that stands in no quoted string (RFC 9110 section 5.6.4); -1: there is none. */
function lastCommaOf(text: string, end: number): number {
  let isQuoted = false;
  for (let at = end - 1; at >= 0; at--) {
    if (text[at] === '"' && !isEscaped(text, at)) isQuoted = !isQuoted;
    else if (text[at] === ',' && !isQuoted) return at;
  }
  return -1;
}
function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === '\\') slashes++;
  return slashes % 2 === 1;
}

/**
 * The `for` of an element such as `for="[2001:db8::1]:4711";proto=https` (RFC 7239 section 4), which is read as a whole: in
 * quotes of others there may be anything, as in the host that a client has asked for. Those that proxies write without quotes
 * where the grammar has them (`host=a.example:443`) are taken.
 */
function forwardedHop(element: string): StreamClient | undefined {
  const pair = /\s*(?:([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^";,\s]*)))?\s*(?:;|$)/y;
  let found: string | undefined;
  while (pair.lastIndex < element.length) {
    const [, name, quoted, plain] = pair.exec(element) ?? [];
    // Also where nothing matches, which sets it back.
    if (pair.lastIndex === 0) return undefined;
    if (name?.toLowerCase() !== 'for') continue;
    // Each is there once: nobody knows whose the other is.
    if (found !== undefined) return undefined;
    found = quoted?.replace(/\\(.)/g, '$1') ?? plain;
  }
  return found === undefined ? undefined : hopOf(found);
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`. */
function hopOf(text: string): StreamClient | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]{1,45})\]|([\d.]{7,15}))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  if (address.length > 45 || address.includes('%') || isIP(address) === 0) return undefined;
  if (bracketed !== undefined && isIP(address) !== 6) return undefined;
  const octets = addressOctets(address);
  // One client, however its address is written.
  return { address: formatAddress(isMapped(octets) ? octets.subarray(12) : octets), port: Number(port ?? 0) & 0xffff };
}
