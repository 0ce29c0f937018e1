// Compiled by `tsc --noEmit`, never run: where Node's and others' declarations take a lookup or a Resolver, ours pass, and
// give what Node's give.
import dgram from 'node:dgram';
import dns from 'node:dns';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { promisify } from 'node:util';
import axios from 'axios';
import got from 'got';
import { Agent, interceptors } from 'undici';
import { CachedLookup, dnsInterceptorOptions, lookup, type LookupAddress, Resolver } from '../../lib/index.js';

type Same<A, B> = [A, B] extends [B, A] ? true : never;
/** Takes values of this type and of no other. */
const exactly =
  <B>() =>
  <A>(value: Same<A, B> extends true ? A : never): void =>
    void value;

export function takeLookup(): void {
  dgram.createSocket({ type: 'udp4', lookup });
  net.connect({ port: 1, lookup });
  tls.connect({ port: 1, lookup });
  http.get({ host: 'x', lookup });
  https.get('https://x', { lookup });
  http2.connect('https://x', { createConnection: () => net.connect({ port: 1, lookup }) });
  void axios.get('http://x', { lookup });
  void got('http://x', { dnsLookup: lookup });
  new Agent({ connect: { lookup } }).compose(interceptors.dns(dnsInterceptorOptions()));
  new Agent().compose(interceptors.dns(dnsInterceptorOptions(new CachedLookup().lookup)));
  dns.lookup = lookup;
  const node: typeof dns.lookup = lookup;
  void node;
}

export function takeResolver(): void {
  const resolver: dns.promises.Resolver = new Resolver({ timeout: 1000, tries: 2 });
  void resolver;
}

export function callLookup(some: dns.LookupOptions): void {
  lookup('x', (error, address, family) => {
    exactly<NodeJS.ErrnoException | null>()(error);
    exactly<string>()(address);
    exactly<4 | 6>()(family);
  });
  lookup('x', 4, (_, address) => exactly<string>()(address));
  lookup('x', {}, (_, address) => exactly<string>()(address));
  lookup('x', { family: 'IPv6', order: 'ipv4first' }, (_, address) => exactly<string>()(address));
  lookup('x', { all: false }, (_, address) => exactly<string>()(address));
  lookup('x', { all: true }, (_, addresses) => exactly<LookupAddress[]>()(addresses));
  lookup('x', some, (_, address) => exactly<string | LookupAddress[]>()(address));
  lookup('x', { signal: new AbortController().signal }, () => {});
  // @ts-expect-error a callback is needed
  lookup('x', { all: true });
  // @ts-expect-error no such family
  lookup('x', { family: 'IPv5' }, () => {});
}

export async function promiseLookup(): Promise<void> {
  const promised = promisify(lookup);
  const one: LookupAddress = await promised('x');
  const numbered: dns.LookupAddress = await promised('x', 6);
  const all: dns.LookupAddress[] = await promised('x', { all: true });
  void [one, numbered, all];
}

export async function callResolver(resolver: Resolver): Promise<void> {
  const addresses: string[] = await resolver.resolve('x');
  const mx: dns.MxRecord[] = await resolver.resolve('x', 'MX');
  const soa: dns.SoaRecord = await resolver.resolve('x', 'SOA');
  const txt: string[][] = await resolver.resolve('x', 'TXT');
  const any: dns.AnyRecord[] = await resolver.resolveAny('x');
  const withTtl: dns.RecordWithTtl[] = await resolver.resolve4('x', { ttl: true });
  const signalled: string[] = await resolver.resolve6('x', { signal: new AbortController().signal });
  void [addresses, mx, soa, txt, any, withTtl, signalled];
}

export async function callSecureResolvers(): Promise<void> {
  const reporting = new Resolver({ secure: 'report' });
  const tlsa = await reporting.resolveTlsa('x');
  exactly<boolean>()(tlsa.secure);
  exactly<number>()(tlsa[0].certUsage);
  exactly<boolean>()((await reporting.resolveSoa('x')).secure);
  const addresses: string[] = await reporting.resolve4('x');
  exactly<true>()((await new Resolver({ secure: 'required' }).resolve('x', 'MX')).secure);
  // @ts-expect-error: nothing is known of it without the option
  void (await new Resolver().resolve4('x')).secure;
  // @ts-expect-error: no such mode
  new Resolver({ secure: 'maybe' });
  lookup('x', { secure: 'report' }, (_error, _address, _family, secure) => exactly<boolean | undefined>()(secure));
  const node: dns.promises.Resolver = reporting;
  void [addresses, node];
}
