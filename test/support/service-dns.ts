// A DNS of services on a fake clock: names have records that a test changes, and a client asks for them as programs do.
import { discover } from '../../lib/discovery/discover.js';
import type { DiscoverOptions } from '../../lib/discovery/options.js';
import type { Service } from '../../lib/discovery/service.js';
import { DnsClient } from '../../lib/node/client.js';
import type { LookupOptions } from '../../lib/node/options.js';
import { Rcode, typeName, type TypeName } from '../../lib/wire/iana.js';
import { buildResponse, decodeMessage, type ResourceRecord } from '../../lib/wire/message.js';
import { nameToText } from '../../lib/wire/name.js';
import { Query } from '../../lib/wire/query.js';
import { encodeRecord } from '../../lib/wire/record.js';
import { FakeClock, settle } from './fake-clock.js';
import { FakeTransport, type Handler } from './fake-transport.js';

/** `10 20 8080 a.example`, with the type and TTL of its line. */
export type Line = [type: TypeName, data: string, ttl?: number];
/** Records; an rcode; silence. */
type Answer = Line[] | number | 'silence';

export const TTL = 5;

export function record(name: string, [type, data, ttl = TTL]: Line): ResourceRecord {
  return encodeRecord({ name, type, ttl, data });
}

export class ServiceDns {
  readonly clock = new FakeClock();
  /** By name in lower case, without its final dot. */
  readonly names = new Map<string, Answer>();
  /** In the additional section of what is answered for a name. */
  readonly additional = new Map<string, [string, Line][]>();
  /** What is asked, `name TYPE`. */
  readonly asked: string[] = [];
  /** In place of all answers. */
  failing: number | 'silence' | undefined;
  /** So many records are in an answer over UDP, and nothing says that there are more, as Consul has it. */
  cutTo: number | undefined;
  /** Seconds of denials. */
  negativeTtl = TTL;
  readonly client: DnsClient;
  readonly #open: Service[] = [];
  #shifted = 0;

  constructor(options: LookupOptions = {}) {
    const handler: Handler = query => this.#answer(query);
    const tooLarge: Handler = query => {
      const response = this.#answer(query, this.cutTo);
      if (response === undefined || response.length <= 1232) return response;
      const cut = Buffer.from(buildResponse(new Query(query), { rcode: 0 })!);
      cut[2] |= 0x02; // TC
      return cut;
    };
    this.client = new DnsClient(
      {
        memory: '4MiB',
        resolvConf: false,
        hostsFile: false,
        servers: ['192.0.2.53'],
        staleSeconds: 0,
        letterCase: 'never',
        ...options,
      },
      {
        clock: this.clock,
        udpTransport: new FakeTransport(this.clock, tooLarge),
        tcpTransport: new FakeTransport(this.clock, handler),
        interfaces: () => ['127.0.0.1', '::1', '192.0.2.200', '2001:db8::200'],
      },
    );
  }

  #answer(octets: Buffer, most?: number): Buffer | undefined {
    const query = new Query(octets);
    const { question } = decodeMessage(octets);
    const name = nameToText(question.name).slice(0, -1).toLowerCase();
    const type = typeName(question.type);
    this.asked.push(`${name} ${type}`);
    const known = this.failing ?? this.names.get(name);
    if (known === 'silence') return undefined;
    if (typeof known === 'number') return Buffer.from(buildResponse(query, { rcode: known })!);
    const soa = record('example', ['SOA', `ns.example. a.example. 1 2 3 4 ${this.negativeTtl}`, this.negativeTtl]);
    if (known === undefined) {
      return Buffer.from(buildResponse(query, { rcode: Rcode.NXDOMAIN, authorities: [soa] })!);
    }
    const answers = known
      .filter(([one]) => one === type || one === 'CNAME')
      .slice(0, most)
      .map(line => record(name, line));
    const additionals = (this.additional.get(name) ?? []).map(([owner, line]) => record(owner, line));
    const authorities = answers.length === 0 ? [soa] : [];
    return Buffer.from(buildResponse(query, { rcode: 0, answers, authorities, additionals })!);
  }

  /** `_http._tcp.orders.example` with so many targets `p1.example` ..., each with an address, and SRV data in front. */
  service(name: string, targets: number, { weight = 1, priority = 0, ttl = TTL, from = 1 } = {}): void {
    const hosts = Array.from({ length: targets }, (_, i) => i + from);
    this.names.set(
      name,
      hosts.map(i => ['SRV', `${priority} ${weight} 8080 p${i}.example.`, ttl]),
    );
    this.additional.set(
      name,
      hosts.map(i => [`p${i}.example`, ['A', `10.0.${i >> 8}.${i & 255}`, ttl]]),
    );
  }

  async discover(name: string, options: DiscoverOptions = {}): Promise<Service> {
    const service = await this.tryToDiscover(name, options);
    this.#open.push(service);
    return service;
  }
  async tryToDiscover(name: string, options: DiscoverOptions = {}): Promise<Service> {
    const pending = discover(name, { client: this.client, ...options });
    pending.catch(() => {});
    await settle();
    return pending;
  }

  async advance(ms: number): Promise<void> {
    // In steps: the cache's clock is not the timers', and both have to move together.
    for (let left = ms; left > 0; left -= 250) {
      const step = Math.min(left, 250);
      this.#shifted += step;
      this.client.engine.native.shiftClock(this.#shifted);
      await this.clock.advance(step);
    }
    await settle();
  }
  countOf(question: string): number {
    return this.asked.filter(one => one === question).length;
  }

  close(): void {
    for (const one of this.#open.splice(0)) one.close();
    this.client.close();
  }
}

export const ids = (service: Service): string[] => service.endpoints.map(one => one.id).sort();
