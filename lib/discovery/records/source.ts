// Whom a service's records are asked of: a client of lookups, with its cache, its servers and its limits; tests give
// another. A name is asked for as it is: no search list, whatever resolv.conf says (`ndots`).
import type { DnsClient } from '../../node/client.js';
import { QueryFailure } from '../../node/errors.js';
import type { Unproven } from '../../node/proof.js';
import { headerRcode } from '../../wire/flags.js';
import { Rcode } from '../../wire/iana.js';
import { decodeMessage, type ResourceRecord } from '../../wire/message.js';

/** A response that is an answer, a denial too. */
export interface Answer {
  /** NXDOMAIN. */
  readonly missing: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  /** Of a source that has answers proven: why this one is not. */
  readonly unproven: Unproven | undefined;
}

export interface RecordSource {
  /** Whether answers are proven where they can be: additional records, which never are, then count for nothing. */
  readonly proves: boolean;
  /**
   * Asks for the records of a name, in text.
   * @throws {QueryFailure} no answer was to be had
   * @throws {ShardnsError} ERR_SHARDNS_MESSAGE for what is no name, or no message
   */
  ask(name: string, type: number): Answer | Promise<Answer>;
  /** Addresses in the order in which this machine reaches them (RFC 6724 section 6). */
  sort(addresses: readonly string[]): string[];
}

/** More records than an answer of 65,535 octets has of the kinds that are read here (16 octets each, at the least). */
const MAX_RECORDS = 4096;

export class ClientSource implements RecordSource {
  readonly proves: boolean;

  constructor(
    readonly client: DnsClient,
    private readonly sorted: (addresses: readonly string[]) => string[],
  ) {
    this.proves = client.settings.secure !== undefined;
  }

  ask(name: string, type: number): Answer | Promise<Answer> {
    const { client } = this;
    return client.query(name, type, (reply, length) => {
      const { answers, authorities, additionals } = decodeMessage(reply.subarray(0, length), MAX_RECORDS);
      const missing = headerRcode(reply) === Rcode.NXDOMAIN;
      return { missing, answers, authorities, additionals, unproven: client.unprovenIn(reply) };
    });
  }
  sort(addresses: readonly string[]): string[] {
    return this.sorted(addresses);
  }
}

/** Counts what is not answered at once, by a cache. */
export class CountedSource implements RecordSource {
  asked = 0;
  readonly proves: boolean;

  constructor(private readonly source: RecordSource) {
    this.proves = source.proves;
  }
  ask(name: string, type: number): Answer | Promise<Answer> {
    const answer = this.source.ask(name, type);
    if (answer instanceof Promise) this.asked++;
    return answer;
  }
  sort(addresses: readonly string[]): string[] {
    return this.source.sort(addresses);
  }
}

export { QueryFailure };
