// Upstreams as people write them: `9.9.9.9`, `[2001:db8::1]:5353`, `dns.example`, or a URL that says how they are asked:
// `udp://9.9.9.9` (UDP, and TCP where that will not do: what no scheme means too), `tcp://9.9.9.9:53` (TCP alone),
// `tls://9.9.9.9#dns.quad9.net` (TLS, and nothing else; the certificate is for the name behind the `#`, else for the name or
// the address before it), `tls://192.0.2.1?pin-sha256=BASE64` (whatever it is for, if its key is this one),
// `https://dns.example/dns-query`, `https://9.9.9.9/dns-query#dns.quad9.net` (HTTPS, and nothing else; the same holds of its
// certificate).
import { isIP } from 'node:net';
import { optionError } from '../base/errors.js';
import { DEFAULT_PATH, HTTPS_PORT } from '../transport/https-place.js';
import type { ServerAddress, TlsAuthentication } from '../transport/transport.js';
import { encodeName } from '../wire/name.js';
import type { EncryptedScheme, Scheme } from './route.js';

export interface UpstreamPlace {
  readonly scheme: Scheme;
  readonly port: number;
  /** Undefined where it has a name, which is to be looked up. */
  readonly at: ServerAddress | undefined;
  /** In lower case, without a dot at its end. */
  readonly name: string | undefined;
  /** Of TLS and HTTPS: what it has to prove. */
  readonly tls?: TlsAuthentication;
  /** Of HTTPS. */
  readonly path?: string;
}

/** With the ports that they have where none is given. */
const PORTS: Readonly<Record<Scheme, number>> = { udp: 53, tcp: 53, tls: 853, https: HTTPS_PORT };
/** RFC 7858 section 4.2 wants two, of which one is a spare. */
const MAX_PINS = 8;
const MAX_PATH = 1024;
/** Of templates as RFC 8484 section 4.1 has them: queries are sent by POST. */
const GET_VARIABLE = /(?<=\/[^?#]*)\{\?dns\}/;
const NOT_YET = new Set(['quic', 'doq', 'h3', 'sdns']);
/** For error messages. */
const SCHEMES = 'udp://, tcp://, tls:// or https://';

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming `option` and the text */
export function parseUpstream(text: string, option: string): UpstreamPlace {
  const wrong = (expected: string): Error => optionError(option, text, expected);
  const url = /^([a-z][a-z\d+.-]*):\/\/(.*)$/is.exec(text);
  const scheme = url === null ? 'udp' : url[1].toLowerCase();
  if (scheme === 'dot') throw wrong('tls:// for DNS over TLS');
  if (scheme === 'doh') throw wrong('https:// for DNS over HTTPS');
  if (NOT_YET.has(scheme)) throw wrong(`${SCHEMES}: ${scheme}:// is not supported by this version`);
  if (!isScheme(scheme)) throw wrong(`${SCHEMES}, or no scheme`);
  if (scheme === 'tls' || scheme === 'https') return parseEncrypted(scheme, url![2], wrong);
  return parsePlace(scheme, text, url?.[2], wrong);
}

type Wrong = (expected: string) => Error;

/** `PLACE/PATH?pin-sha256=BASE64&pin-sha256=BASE64#NAME` (RFC 3986 section 3 has them in this order). */
function parseEncrypted(scheme: EncryptedScheme, text: string, wrong: Wrong): UpstreamPlace {
  const [, all, query, named] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text.replace(GET_VARIABLE, ''))!;
  const slash = scheme === 'https' ? all.indexOf('/') : -1;
  const before = slash < 0 ? all : all.slice(0, slash);
  const path = scheme === 'https' ? pathOf(slash < 0 ? DEFAULT_PATH : all.slice(slash), wrong) : undefined;
  const place = parsePlace(scheme, before, before, wrong);
  const pins = query === undefined ? [] : query.split('&').map(one => pinOf(one, wrong));
  if (pins.length > MAX_PINS) throw wrong(`at most ${MAX_PINS} pins`);
  const name = named?.toLowerCase().replace(/\.$/, '');
  if (name !== undefined && isIP(name) === 0 && !isHostName(name)) {
    throw wrong('the name that its certificate is for behind the #');
  }
  const fallback = pins.length > 0 ? undefined : (place.name ?? place.at!.address);
  const tls = { name: name ?? fallback, pins };
  const proof = path === undefined ? { tls } : { tls, path };
  return { ...place, ...proof, at: place.at && { ...place.at, ...proof } };
}

function pathOf(path: string, wrong: Wrong): string {
  if (readPath(path) !== undefined) return path;
  throw wrong(`a path of at most ${MAX_PATH} characters, others than those of RFC 3986 as %XX`);
}

/** The path of a URL (RFC 3986 section 3.3); undefined: it is none. */
export function readPath(path: string): string | undefined {
  const isPath = path.length <= MAX_PATH && /^(?:\/(?:[\w.~!$&'()*+,;=:@-]|%[\da-f]{2})*)+$/i.test(path);
  return isPath ? path : undefined;
}

function pinOf(text: string, wrong: Wrong): string {
  const pin = /^pin-sha256=([A-Za-z0-9+/]{43}=)$/.exec(text)?.[1];
  if (pin === undefined)
    throw wrong('pin-sha256= and the SHA-256 of its public key, 44 characters of base64, behind the ?');
  return pin;
}

/** @param inUrl what stands behind the scheme of a URL */
function parsePlace(scheme: Scheme, text: string, inUrl: string | undefined, wrong: Wrong): UpstreamPlace {
  const place = inUrl ?? text;
  if (place.includes('@')) throw wrong('no user or password in an upstream');
  if (/[/?#]/.test(place)) throw wrong('nothing behind the address and the port of an upstream');
  // A bare IPv6 address has no port; in a URL it is in brackets (RFC 3986 section 3.2.2).
  if (isIP(place) === 6) {
    if (inUrl !== undefined) throw wrong(`brackets around the address: ${scheme}://[${place}]`);
    return { scheme, port: PORTS[scheme], at: { address: place, port: PORTS[scheme], family: 6 }, name: undefined };
  }
  const match = /^\[([^\]]+)\](?::(.*))?$/s.exec(place) ?? /^([^:[\]]+)(?::(.*))?$/s.exec(place);
  if (match === null) throw wrong('ADDRESS, ADDRESS:PORT, [IPv6]:PORT or a host name, with a scheme before it or not');
  const port = match[2] === undefined ? PORTS[scheme] : portOf(match[2]);
  if (port === undefined) throw wrong('a port from 1 to 65535');
  // RFC 6874 writes the zone's sign so in URLs.
  const host = inUrl === undefined ? match[1] : match[1].replace('%25', '%');
  const family = isIP(host);
  if (place.startsWith('[') && family !== 6) throw wrong('an IPv6 address in the brackets');
  if (family !== 0) return { scheme, port, at: { address: host, port, family: family as 4 | 6 }, name: undefined };
  const name = host.toLowerCase().replace(/\.$/, '');
  if (!isHostName(name)) throw wrong('a numeric address or a host name');
  // A lone word is a slip more often than a name: those of containers are meant with a scheme.
  if (inUrl === undefined && !name.includes('.'))
    throw wrong(`a numeric address, or a host name with a dot in it or as udp://${name}`);
  return { scheme, port, at: undefined, name };
}

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(PORTS, text);
}

function portOf(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= 65_535 ? port : undefined;
}

/** RFC 1123 section 2.1, and the underscore that some have. A name whose last label is a number is an address gone wrong. */
export function isHostName(name: string): boolean {
  const labels = name.split('.');
  if (!labels.every(label => /^[a-z\d_](?:[a-z\d_-]*[a-z\d_])?$/.test(label)) || /^\d+$/.test(labels.at(-1)!))
    return false;
  try {
    encodeName(name);
    return true;
  } catch {
    return false; // too long
  }
}
