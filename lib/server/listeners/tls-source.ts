// What encrypted listeners shake hands with, whoever reads it (see certificates.ts), and what they tell of it.
import type { SecureContextOptions } from 'node:tls';

export type TlsContext = Pick<
  SecureContextOptions,
  'cert' | 'key' | 'minVersion' | 'ticketKeys' | 'sessionTimeout' | 'sessionIdContext'
>;

export interface TlsSource {
  /** Counted by listeners: whole handshakes, those of sessions that were resumed, broken ones, those that took too long. */
  readonly handshakes: { full: number; resumed: number; failed: number; slow: number };
  readonly handshakeTimeoutMs: number;
  /**
   * Calls `use` with what is in force, now and whenever that is another.
   * @returns ends it
   */
  follow(use: (context: TlsContext) => void): () => void;
}
