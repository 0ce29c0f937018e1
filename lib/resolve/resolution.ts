// The outcome of a question on the slow path.

/** What the clients that wait get. */
export type Resolution =
  /** A response to be finished per client, with an extended error if any. */
  | { kind: 'message'; message: Uint8Array; extendedError: number }
  /** The cache has it now for this tenant, or has an expired answer that is to be served. */
  | { kind: 'cached'; tenant: number }
  | { kind: 'error'; rcode: number; extendedError: number };
