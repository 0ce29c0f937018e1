// One answered query, as those who watch are told of it.
import { AnsweredBy, ANSWERED_BY, type AnsweredByName } from '../../native/binding.js';
import { headerRcode } from '../../wire/flags.js';
import { HEADER_SIZE } from '../../wire/iana.js';
import { foldName, plainNameLength } from '../../wire/name.js';
import type { Protocol } from '../listeners/protocols.js';

/** What was not asked of anybody: the cache had it, fresh or not, or we know it ourselves, or nobody was to know it. */
const NEVER_ASKED: ReadonlySet<number> = new Set([
  AnsweredBy.hit,
  AnsweredBy.stale,
  AnsweredBy.failure,
  AnsweredBy.blocked,
  AnsweredBy.refused,
  AnsweredBy.invalid,
]);

export interface RecordParts {
  /** Milliseconds of Unix time, when it was answered. */
  readonly atMs: number;
  readonly latencyUs: number;
  /** 4 or 16 octets; none where the client has no address. */
  readonly client: Uint8Array;
  /** 0: not known. */
  readonly port: number;
  readonly protocol: Protocol;
  /** One of AnsweredBy. */
  readonly by: number;
  /** The upstream whose response it is; '' where there is none. */
  readonly upstream: string;
  /** It stands for so many. */
  readonly oneIn: number;
  /**
   * Header and question of the reply, or all of it where somebody who watches wants that. Valid while it is told: the memory
   * is used again.
   */
  readonly reply: Uint8Array;
}

export class TapRecord {
  readonly #nameLength: number;
  #name: Uint8Array | undefined;

  constructor(readonly parts: RecordParts) {
    const { reply } = parts;
    this.#nameLength = reply.length > HEADER_SIZE && reply[5] === 1 ? plainNameLength(reply, HEADER_SIZE) : 0;
  }

  /** Folded, in wire format, for as long as one likes; the root where it asked for nothing. */
  get name(): Uint8Array {
    const { reply } = this.parts;
    return (this.#name ??=
      this.#nameLength === 0 ? new Uint8Array(1) : foldName(reply, HEADER_SIZE, HEADER_SIZE + this.#nameLength));
  }
  /** 0 where it asked for nothing. */
  get type(): number {
    const at = HEADER_SIZE + this.#nameLength;
    const { reply } = this.parts;
    return this.#nameLength === 0 || at + 2 > reply.length ? 0 : (reply[at] << 8) | reply[at + 1];
  }
  /** Without the upper bits, which are the OPT's. */
  get rcode(): number {
    const { reply } = this.parts;
    return reply.length < HEADER_SIZE ? 0 : headerRcode(reply);
  }
  get byName(): AnsweredByName {
    return ANSWERED_BY[this.parts.by] ?? 'failed';
  }
  /** Somebody was asked for it, or it was put together for it. */
  get isUncached(): boolean {
    return !NEVER_ASKED.has(this.parts.by);
  }
}

/** Who watches. */
export interface Watcher {
  /** Whether it wants all of each reply. */
  readonly wantsReplies: boolean;
  /** Told of each record, in the order in which they come here. */
  take(record: TapRecord): void;
}
