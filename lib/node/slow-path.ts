// How a client's questions get to its servers: by the resolver behind the cache, past the cache where that answers in a way of
// its own, and by what validates, where the client wants proof.
//
// Bounds: those of the resolver and of who asks here (Questions).
import { ShardnsError } from '../base/errors.js';
import type { Engine } from '../cache/engine.js';
import { Rcode, Type, typeName } from '../wire/iana.js';
import type { Query } from '../wire/query.js';
import { Answered } from './answered.js';
import { QueryFailure } from './errors.js';
import type { Asking } from './name-servers.js';
import type { Proving } from './proving.js';
import { failureOf } from './reply-failures.js';
import { queryChannel } from './telemetry.js';
import type { Validating } from './validating.js';

const NO_RESPONSE = new Uint8Array(0);

export interface SlowPathParts {
  readonly engine: Engine;
  /** Of a client with `secure`. */
  readonly proving: Proving | undefined;
  /** What asks at the moment. */
  readonly asking: () => Asking;
}

export class SlowPath {
  #closed = false;

  constructor(private readonly parts: SlowPathParts) {}

  /** What comes from now on is told to nobody. */
  close(): void {
    this.#closed = true;
  }

  /** @throws {QueryFailure} rejected: no answer was to be had */
  ask(query: Query): Promise<Answered> {
    const run = (): Promise<Answered> => (query.type === Type.ANY ? this.#askPast(query) : this.#askServers(query));
    if (!queryChannel.hasSubscribers) return run();
    return queryChannel.tracePromise(run, { name: query.nameText, type: typeName(query.type) });
  }

  async #askServers(query: Query): Promise<Answered> {
    if (this.parts.proving !== undefined) await this.parts.proving.validator();
    for (let again = false; ; again = true) {
      const { resolver } = this.parts.asking();
      const resolution = await resolver.resolve(query, { protocol: 'internal' });
      if (this.#closed) throw new QueryFailure('ECANCELLED');
      if (resolver === this.parts.asking().resolver || again) {
        if (resolution.kind === 'error') throw this.#failure(query, resolution);
        return new Answered(query, resolution, NO_RESPONSE);
      }
      // It is from servers that are not asked any more.
      this.parts.engine.remove(query.name, query.type, { dnssecOk: false, checkingDisabled: false });
    }
  }

  /** Past the cache, which answers ANY in its own way (RFC 8482). */
  async #askPast(query: Query): Promise<Answered> {
    const validating = await this.parts.proving?.validator();
    if (validating !== undefined) return this.#askJudged(query, validating);
    const { exchanger, resolver } = this.parts.asking();
    try {
      const upstreams = resolver.groups.get('default') ?? [];
      const { response } = await exchanger.exchange(query.message, upstreams, () => true);
      return new Answered(query, undefined, response);
    } catch (error) {
      if (this.#closed) throw new QueryFailure('ECANCELLED');
      if (error instanceof ShardnsError) {
        throw new QueryFailure(error.code === 'ERR_SHARDNS_TIMEOUT' ? 'ETIMEOUT' : 'ECONNREFUSED');
      }
      throw error;
    }
  }

  async #askJudged(query: Query, validating: Validating): Promise<Answered> {
    const resolved = await validating.answer(query, { fresh: false });
    if (this.#closed) throw new QueryFailure('ECANCELLED');
    if (resolved.kind === 'answer') return new Answered(query, undefined, resolved.message);
    throw this.#failure(query, { rcode: Rcode.SERVFAIL, extendedError: resolved.extendedError });
  }

  #failure(query: Query, failed: { rcode: number; extendedError: number }): QueryFailure {
    const code = failureOf(failed);
    return this.parts.proving?.failure(query, code, failed.extendedError) ?? new QueryFailure(code);
  }
}
