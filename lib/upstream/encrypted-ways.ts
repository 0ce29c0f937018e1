// How an upstream that is written as for plain text is asked encrypted: as the DNS says of its name (`_dns.NAME`, RFC 9461), or,
// where it has none, as it says itself (`_dns.resolver.arpa`, RFC 9462). What is found are upstreams over TLS or HTTPS that
// have to prove who they are: by the name that was written, never by one that was told, or by the address. So whoever forges
// what is said here gets no question; he can only have none asked.
//
// Bounds: those of Rounds between two askings; MAX_ALIASES aliases; of the records that are looked at MAX_WAYS ways of each of
// MAX_PREFERENCES preferences.
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.js';
import { formatAddress, formatSocketAddress } from '../base/address.js';
import type { Logger } from '../base/log.js';
import { type ServerAddress, type TlsAuthentication } from '../transport/transport.js';
import { Class, Flag, Type } from '../wire/iana.js';
import { DecodedResponse, encodeQuestion, MAX_RESPONSE_RECORDS } from '../wire/message.js';
import { encodeName, nameToText } from '../wire/name.js';
import { alpnIds, readServiceBinding, type ServiceBinding, SvcParam } from '../wire/svcb.js';
import { isUsable, recordsAt } from './host-addresses.js';
import { type Round, Rounds } from './rounds.js';
import type { EncryptedScheme } from './route.js';
import { isHostName, readPath, type UpstreamPlace } from './upstream-url.js';

const MAX_ALIASES = 4;
const MAX_WAYS = 8;
const MAX_PREFERENCES = 4;
const DNS_PORT = 53;

/** What ALPN calls the ways that we know (RFC 7858 section 3.1, RFC 9113 section 3.1), and where they are by default. */
const PROTOCOLS: Readonly<Record<string, { scheme: EncryptedScheme; port: number }>> = {
  dot: { scheme: 'tls', port: 853 },
  h2: { scheme: 'https', port: 443 },
};
/** Parameters that a record may say are needed. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  SvcParam.alpn,
  SvcParam.noDefaultAlpn,
  SvcParam.port,
  SvcParam.ipv4hint,
  SvcParam.ipv6hint,
  SvcParam.dohpath,
]);

/** Of {@link UpstreamPlace}: what tells those that are found for one from those for another. */
export const wayKeyOf = ({ scheme, name, at, port }: UpstreamPlace): string =>
  `${scheme}://${name === undefined ? formatSocketAddress(at!) : `${name}:${port}`}`;

export interface WayTools {
  readonly clock: Clock;
  readonly log: Logger;
  /** Asks whoever knows: servers given as addresses, or the server itself. Rejects where none has an answer. */
  ask(query: Uint8Array): Promise<Uint8Array>;
  /**
   * Whether all servers that the ways lead to have failed of late, or there are none: they are asked for again soon.
   * `reason`: of one that has failed.
   */
  use(): { isNone: boolean; reason: string | undefined };
  /** The ways are others than before. */
  changed(): void;
}

export class EncryptedWays {
  /** As people write it. */
  readonly of: string;
  /** By preference; and which of them is asked. */
  #found: readonly (readonly UpstreamPlace[])[] = [];
  #at = 0;
  readonly #rounds: Rounds;
  readonly #question: string;
  #failing = false;
  #toldUseless = false;
  /** Rounds of which no way came. */
  failures = 0;

  constructor(
    private readonly place: UpstreamPlace,
    private readonly tools: WayTools,
  ) {
    const { name, port } = place;
    this.of = wayKeyOf(place);
    // RFC 9461 section 3: of another port than the usual one it is said apart.
    const prefix = port === DNS_PORT ? '_dns' : `_${port}._dns`;
    this.#question = name === undefined ? '_dns.resolver.arpa' : `${prefix}.${name}`;
    this.#rounds = new Rounds(
      tools.clock,
      () => this.#round(),
      () => this.#areUseless(),
    );
  }

  /**
   * Told once, such as that the certificate there is not for the address that was written (RFC 9462 section 4.2). The ways of
   * the next preference have their turn then (RFC 9460 section 3).
   */
  #areUseless(): boolean {
    const { isNone, reason } = this.tools.use();
    const haveFailed = isNone && reason !== undefined && this.places.length > 0;
    if (haveFailed && !this.#toldUseless) {
      const text = 'an upstream cannot be asked in the encrypted ways that were found, and is in no other';
      this.tools.log.warn({ upstream: this.of, reason, preferences: this.#found.length }, text);
    }
    if (!isNone) this.#toldUseless = false;
    else if (haveFailed) this.#toldUseless = true;
    if (haveFailed && this.#found.length > 1) {
      this.#at = (this.#at + 1) % this.#found.length;
      this.tools.changed();
    }
    return isNone;
  }

  /** Those of one preference that we can take, the first one that is of use. Old ones stay while nobody says otherwise. */
  get places(): readonly UpstreamPlace[] {
    return this.#found[this.#at] ?? [];
  }
  get failing(): boolean {
    return this.#failing;
  }
  /** Asks for the first time, once. @returns when that is over, whatever came of it */
  begin(): Promise<void> {
    return this.#rounds.begin();
  }
  /** Asks at once where it would wait before it tries again. */
  again(): void {
    if (this.#failing) this.#rounds.now();
  }
  close(): void {
    this.#rounds.close();
  }

  /** Never rejects. */
  async #round(): Promise<Round> {
    try {
      const { bindings, ttlSeconds } = await this.#find();
      const found = placesOf(bindings, this.place);
      if (found.length === 0) throw new Error(`${this.#question} names no way that is spoken here (dot, h2)`);
      if (!this.#rounds.isClosed) this.#use(found);
      return { seconds: ttlSeconds, isWhole: true };
    } catch (error) {
      if (!this.#rounds.isClosed) this.#failed((error as Error).message);
      return { seconds: undefined, isWhole: false };
    }
  }

  #use(found: readonly (readonly UpstreamPlace[])[]): void {
    if (this.#failing) this.tools.log.info({ upstream: this.of }, 'how an upstream is asked encrypted is found');
    this.#failing = false;
    if (textOf(found) === textOf(this.#found)) return;
    this.#found = found;
    this.#at = 0;
    this.tools.changed();
  }

  #failed(reason: string): void {
    this.failures++;
    const fields = { upstream: this.of, reason };
    const what = this.places.length > 0 ? 'it is asked on as before' : 'it is not asked until then';
    const text = `how an upstream is asked encrypted cannot be found: ${what}`;
    // Once, until it is found again.
    if (this.#failing) this.tools.log.debug(fields, text);
    else this.tools.log.warn(fields, text);
    this.#failing = true;
  }

  /** @throws {Error} where nobody can say, or there are no records */
  async #find(): Promise<{ bindings: ServiceBinding[]; ttlSeconds: number }> {
    let name: Uint8Array = encodeName(this.#question);
    let least = Infinity;
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
      const question = { name, type: Type.SVCB, dnsClass: Class.IN };
      const response = await this.tools.ask(encodeQuestion({ id: 0, flags: Flag.RD, question }));
      // As a plain array: slices of a Buffer would be no copies.
      const octets = new Uint8Array(response.buffer, response.byteOffset, response.length);
      const decoded = new DecodedResponse(octets, MAX_RESPONSE_RECORDS);
      const { records, ttlSeconds } = recordsAt(decoded, name, Type.SVCB);
      least = Math.min(least, ttlSeconds);
      const bindings = records.flatMap(({ data }) => readServiceBinding(data) ?? []);
      // RFC 9460 section 2.4.1: beside an alias the others do not count.
      const alias = bindings.find(one => one.priority === 0);
      if (alias === undefined) return { bindings, ttlSeconds: least };
      if (alias.target.length === 1) break;
      name = alias.target;
    }
    throw new Error(`${this.#question} is an alias that leads nowhere`);
  }
}

/** Records of one preference come in any order, another one each time. */
const textOf = (found: readonly (readonly UpstreamPlace[])[]): string =>
  JSON.stringify(found.map(places => places.map(place => JSON.stringify(place)).toSorted()));

/** What of these can be taken, by preference. */
function placesOf(bindings: readonly ServiceBinding[], asked: UpstreamPlace): UpstreamPlace[][] {
  const found = new Map<number, UpstreamPlace[]>();
  for (const binding of bindings) {
    const places = placesOfOne(binding, asked);
    if (places.length > 0) found.set(binding.priority, [...(found.get(binding.priority) ?? []), ...places]);
  }
  return [...found]
    .toSorted(([a], [b]) => a - b)
    .slice(0, MAX_PREFERENCES)
    .map(([, places]) => places.slice(0, MAX_WAYS));
}

function placesOfOne({ target, params }: ServiceBinding, asked: UpstreamPlace): UpstreamPlace[] {
  const mandatory = params.get(SvcParam.mandatory);
  if (mandatory !== undefined && !isUnderstood(mandatory, params)) return [];
  const alpn = new Set(alpnIds(params.get(SvcParam.alpn) ?? new Uint8Array(0)));
  const given = params.get(SvcParam.port);
  if (given !== undefined && given.length !== 2) return [];
  const hints = hintsIn(params);
  if (hints === undefined) return [];
  const name = target.length === 1 ? asked.name : nameToText(target).toLowerCase().replace(/\.$/, '');
  if (name !== undefined && !isHostName(name)) return [];
  const tls = proofOf(asked, name);
  return [...alpn].flatMap((id): UpstreamPlace[] => {
    const known = Object.hasOwn(PROTOCOLS, id) ? PROTOCOLS[id] : undefined;
    if (known === undefined) return [];
    const { scheme } = known;
    const port = given === undefined ? known.port : (given[0] << 8) | given[1];
    const path = scheme === 'https' ? pathIn(params.get(SvcParam.dohpath)) : undefined;
    if (port === 0 || (scheme === 'https' && path === undefined)) return [];
    const proof = path === undefined ? { tls } : { tls, path };
    if (hints.length === 0 && name !== undefined) return [{ scheme, port, at: undefined, name, ...proof }];
    // Where it names nobody, it is the server that was asked itself.
    const addresses = hints.length > 0 || asked.at === undefined ? hints : [asked.at.address];
    return addresses.map(address => {
      const at: ServerAddress = { address, port, family: isIP(address) as 4 | 6, ...proof };
      return { scheme, port, at, name: undefined, ...proof };
    });
  });
}

/** By the name that was written (RFC 9461 section 3); by the address, where that was (RFC 9462 section 4.2). */
function proofOf({ name, at }: UpstreamPlace, target: string | undefined): TlsAuthentication {
  return name === undefined ? { name: at!.address, pins: [], calls: target } : { name, pins: [] };
}

/** RFC 9460 section 8: all that a record says is needed is there, and known. */
function isUnderstood(mandatory: Uint8Array, params: ServiceBinding['params']): boolean {
  if (mandatory.length === 0 || mandatory.length % 2 !== 0) return false;
  for (let at = 0; at < mandatory.length; at += 2) {
    const key = (mandatory[at] << 8) | mandatory[at + 1];
    if (!UNDERSTOOD.has(key) || !params.has(key)) return false;
  }
  return true;
}

/** Of a template such as `/dns-query{?dns}` (RFC 9461 section 5). */
function pathIn(template: Uint8Array | undefined): string | undefined {
  const text = template && Buffer.from(template).toString('latin1');
  return text === undefined || !/\{\?dns\}$/.test(text) ? undefined : readPath(text.slice(0, -'{?dns}'.length));
}

/** Undefined: a value that is none, with which the whole record is none (RFC 9460 sections 2.2 and 7.3). */
function hintsIn(params: ServiceBinding['params']): string[] | undefined {
  const found: string[] = [];
  for (const [key, size] of [[SvcParam.ipv4hint, 4] as const, [SvcParam.ipv6hint, 16] as const]) {
    const value = params.get(key);
    if (value === undefined) continue;
    if (value.length === 0 || value.length % size !== 0) return undefined;
    const count = Math.min(value.length / size, MAX_WAYS);
    for (let i = 0; i < count; i++) found.push(formatAddress(value.subarray(i * size, (i + 1) * size)));
  }
  return found.filter(isUsable);
}
