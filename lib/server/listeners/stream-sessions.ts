// The sessions of one listener whose clients come over streams: takes a stream, gives it a session and a place among all
// connections, or turns it away. What a listener of another such protocol needs beside its own handshake.
//
// Bounds: those of TcpConnections, which all listeners have in common, and of StreamSession.
import type { Duplex } from 'node:stream';
import type { ListenerParts } from './listener.js';
import type { StreamProtocol } from './protocols.js';
import { type StreamClient, StreamSession } from './stream-session.js';
import type { Connection } from './tcp-connections.js';

export type SessionParts = Pick<ListenerParts, 'answerer' | 'clock' | 'connections'>;

export class StreamSessions {
  readonly #sessions = new Set<StreamSession>();
  #underWay = 0;

  constructor(
    readonly protocol: StreamProtocol,
    private readonly parts: SessionParts,
  ) {}

  /** Queries that are not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }
  get size(): number {
    return this.#sessions.size;
  }

  /**
   * @param stream ends with its sending side only where its replies are written (`allowHalfOpen`)
   * @param before whose place it takes, where it has had one while it shook hands
   */
  take(stream: Duplex, client: StreamClient, before?: Connection): void {
    const { answerer, clock, connections } = this.parts;
    const notify = { began: () => this.#underWay++, ended: () => this.#underWay-- };
    const session = new StreamSession({
      stream,
      client,
      protocol: this.protocol,
      answerer,
      clock,
      connections,
      notify,
    });
    // Who may not ask is told so, but takes nobody's place.
    const hasPlace =
      before === undefined
        ? connections.admit(session, answerer.allows(client.address))
        : connections.succeed(session, before);
    if (!hasPlace) {
      stream.destroy();
      return;
    }
    this.#sessions.add(session);
    stream.on('close', () => this.#sessions.delete(session));
  }

  finish(): void {
    for (const session of this.#sessions) session.finish();
  }
  close(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
