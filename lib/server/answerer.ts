// One query octets-in, reply octets-out, for listeners in JavaScript. The cache answers through the same native path
// as the UDP plane; everything else goes to the resolver.
import { type BlockList, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.js';
import type { Engine } from '../cache/engine.js';
import { DURATION_BUCKETS, NO_EXTENDED_ERROR, TYPES_COUNTED, UNKNOWN_TENANT } from '../native/binding.js';
import type { Asker, Resolution, Resolver } from '../resolve/resolver.js';
import { ExtendedError, Rcode } from '../wire/iana.js';
import { Query } from '../wire/query.js';

export type ListenerAsker = Asker & { protocol: 'udp' | 'tcp'; client: { address: string; port: number } };

const byType = (): Float64Array => new Float64Array(TYPES_COUNTED);

export class Answerer {
  /** Who may ask; undefined = everybody. */
  access: BlockList | undefined;
  /** Bucket i counts durations below 2^i microseconds. */
  readonly durations = new Float64Array(DURATION_BUCKETS);
  durationSumUs = 0;
  readonly requests = { udp4: 0, udp6: 0, tcp4: 0, tcp6: 0 };
  /** The same by type: the last counts every type above 255. */
  readonly requestsByType = { udp4: byType(), udp6: byType(), tcp4: byType(), tcp6: byType() };

  constructor(
    private readonly engine: Engine,
    private readonly resolver: Resolver,
    private readonly clock: Clock,
  ) {}

  /** Calls `reply` once, at once for a hit; with undefined when no reply is due. Throws what `reply` throws at once. */
  answer(message: Uint8Array, asker: ListenerAsker, reply: (octets: Uint8Array | undefined) => void): void {
    const udp = asker.protocol === 'udp';
    const began = this.clock.nowMs();
    const v6 = isIPv6(asker.client.address);
    const done = (octets: Uint8Array | undefined): void => {
      this.#count((this.clock.nowMs() - began) * 1000);
      reply(octets);
    };
    let octets: Uint8Array | undefined;
    try {
      if (this.access !== undefined && !this.access.check(asker.client.address, v6 ? 'ipv6' : 'ipv4')) {
        const refused = this.engine.refuse(message, Rcode.REFUSED, ExtendedError.prohibited, udp);
        this.#countRequest(asker.protocol, v6);
        octets = this.#reply(refused);
      } else {
        const { tenants } = this.resolver;
        const tenant = tenants === undefined ? 0 : tenants.tenantOf(asker.client.address);
        const length = this.engine.answer(message, { udp, tenant: tenant ?? UNKNOWN_TENANT });
        this.#countRequest(asker.protocol, v6);
        if (length < 0) {
          this.#resolve(message, { ...asker, tenant }, done);
          return;
        }
        octets = this.#reply(length);
        if (this.engine.refreshDue) this.resolver.prefetch(new Query(Uint8Array.from(message)), tenant);
      }
    } catch (error) {
      // What breaks one query is the end of that query only.
      this.resolver.broke(error);
      octets = this.refuse(message, Rcode.SERVFAIL, udp);
    }
    done(octets);
  }

  #resolve(message: Uint8Array, asker: ListenerAsker, done: (octets: Uint8Array | undefined) => void): void {
    // Kept beyond this call, so out of the listener's buffer.
    const query = new Query(Uint8Array.from(message));
    this.resolver
      .resolve(query, asker)
      .then(resolution => {
        let octets: Uint8Array | undefined;
        try {
          octets = this.finish(query, resolution, asker.protocol === 'udp');
        } catch (error) {
          this.resolver.broke(error); // the cache is closed: nobody can be answered any more
        }
        done(octets);
      })
      .catch((error: unknown) => this.resolver.broke(error));
  }

  /** Without an answer: what is wrong with the query. */
  refuse(message: Uint8Array, rcode: number, udp: boolean): Uint8Array | undefined {
    return this.#reply(this.engine.refuse(message, rcode, NO_EXTENDED_ERROR, udp));
  }

  /** Without the resolver: from the cache, stale allowed, else SERVFAIL. */
  answerAtOnce(message: Uint8Array, client: { address: string }): Uint8Array | undefined {
    const { tenants } = this.resolver;
    const tenant = tenants === undefined ? 0 : (tenants.tenantOf(client.address) ?? UNKNOWN_TENANT);
    let length = this.engine.answer(message, { udp: true, allowStale: true, tenant });
    this.#countRequest('udp', isIPv6(client.address));
    if (length < 0) length = this.engine.refuse(message, Rcode.SERVFAIL, ExtendedError.other, true);
    return this.#reply(length);
  }

  finish(query: Query, resolution: Resolution, udp: boolean): Uint8Array | undefined {
    return this.#reply(this.resolver.finish(query, resolution, udp));
  }

  #reply(length: number): Uint8Array | undefined {
    return length === 0 ? undefined : this.engine.reply.slice(0, length);
  }

  /** Of the query that was answered or refused last. */
  #countRequest(protocol: 'udp' | 'tcp', v6: boolean): void {
    const way = `${protocol}${v6 ? 6 : 4}` as const;
    this.requests[way]++;
    this.requestsByType[way][Math.min(this.engine.queryType, TYPES_COUNTED - 1)]++;
  }

  #count(us: number): void {
    const bucket = us < 1 ? 0 : Math.min(DURATION_BUCKETS - 1, Math.floor(Math.log2(us)) + 1);
    this.durations[bucket]++;
    this.durationSumUs += us;
  }
}
