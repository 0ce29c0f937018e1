// One client's HTTP/2 (RFC 9113), framed natively: what it asks is looked up in the cache at once, for the client that the
// cache's control words name, and JavaScript hears of what was not there and of what was counted.

/** Words of a session, in order; all but `events` and `faulty` are of the present. */
export const HTTP2_WORDS = ['events', 'over', 'faulty', 'held', 'unsent', 'partial', 'oldestMs'] as const;
export const Http2Word = Object.fromEntries(HTTP2_WORDS.map((name, at) => [name, at])) as Record<
  (typeof HTTP2_WORDS)[number],
  number
>;
/** Words of an event, and how many. `value` is the query's type, or the status of what was refused. */
export const Http2Event = { kind: 0, stream: 1, value: 2, tenant: 3, words: 4 } as const;
/**
 * `refresh`: answered, and its entry is to be refreshed; `dropped`: no reply is due; `refused`: not asked; `proxied`: not
 * looked up, since a proxy asks for somebody else.
 */
export const Http2Kind = { answered: 0, refresh: 1, missed: 2, dropped: 3, refused: 4, proxied: 5 } as const;

export interface NativeHttp2 {
  /** Octets of the client. `events` has what they were, from its beginning on. */
  feed(chunk: Uint8Array, nowMs: number): void;
  /** Octets to write, in `out`; 0: there are no more at present. */
  take(): number;
  /** The query of a stream that is open, in `out`; 0: there is none. */
  query(stream: number): number;
  /** For whom it is asked, as a proxy says in the field that the session was made with, in `out`; 0: it does not say. */
  forwarded(stream: number): number;
  /**
   * Has the client go elsewhere with what is new. 0 at first: what it has sent meanwhile is answered; then 1: the session is
   * over when what has come is answered.
   */
  finish(last: 0 | 1): void;
  /** To a query that was missed. Nothing happens where its stream is gone. */
  reply(stream: number, message: Uint8Array): void;
  refuse(stream: number, status: number): void;
  /** Lets go of all it has; nothing happens any more then. */
  close(): void;
}
