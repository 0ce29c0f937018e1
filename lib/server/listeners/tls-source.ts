// What encrypted listeners shake hands with, whoever reads it (see certificates.ts), and what they tell of it.
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { HandshakeRate } from './handshake-rate.js';

export type TlsContext = Pick<
  SecureContextOptions,
  'cert' | 'key' | 'minVersion' | 'ticketKeys' | 'sessionTimeout' | 'sessionIdContext'
>;

export interface TlsSource {
  /**
   * Counted by listeners: whole handshakes, those of sessions that were resumed, broken ones, those that took too long,
   * clients that were turned away because they shook hands too often.
   */
  readonly handshakes: { full: number; resumed: number; failed: number; slow: number; refused: number };
  readonly handshakeTimeoutMs: number;
  /** How often clients may shake hands, at all listeners together. */
  readonly rate: Pick<HandshakeRate, 'take' | 'resumed'>;
  /** Whether there are several, of which the name that a client asks for chooses one. */
  readonly isNamed: boolean;
  /** What is shown to a client that asks for a name; undefined: what all others are shown. */
  contextFor(name: string): SecureContext | undefined;
  /**
   * Calls `use` with what is in force, now and whenever that is another.
   * @returns ends it
   */
  follow(use: (context: TlsContext) => void): () => void;
}
