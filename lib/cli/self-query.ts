// Whether a server answers: it has answered somebody since the last look, or it answers itself when asked over UDP, at any of
// its addresses. Somebody else first: the sockets of a server that is flooded drop its own question too, and it does its work.
//
// The question is one of class CH, which the receiving threads hand to JavaScript and which needs no upstream; whatever is
// said to it counts. Where the server's own address gets nothing from the start, as from behind rules about clients, it is
// not asked again.
import { createSocket } from 'node:dgram';
import { parseSocketAddress, type SocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { isWildcard } from '../server/listeners/endpoint.js';
import { Class, Type } from '../wire/iana.js';
import { encodeName } from '../wire/name.js';

export interface SelfQueryParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Where it listens over UDP. */
  addresses(): readonly string[];
  /** Replies that it has sent, in all. */
  replies(): number;
  ask?: (at: SocketAddress, query: Uint8Array, withinMs: number) => Promise<boolean>;
}

export class SelfQuery {
  #replies = 0;
  /** Whether it has ever answered itself; false: it is not asked any more. */
  #answersItself: boolean | undefined;

  constructor(private readonly parts: SelfQueryParts) {}

  /** From now on other rules may hold. */
  forget(): void {
    this.#answersItself = undefined;
  }

  async isWell(withinMs: number): Promise<boolean> {
    const before = this.#replies;
    this.#replies = this.parts.replies();
    const isFirst = this.#answersItself === undefined;
    if (!isFirst && (this.#answersItself === false || this.#replies !== before)) return true;
    const answers = await this.#answers(withinMs);
    // Its own is none of somebody else's.
    this.#replies = this.parts.replies();
    if (answers || isFirst) this.#answersItself = answers;
    return answers || isFirst;
  }

  async #answers(withinMs: number): Promise<boolean> {
    const { addresses, clock, random } = this.parts;
    const all = addresses();
    const ask = this.parts.ask ?? ((at, query, ms) => askOnce(at, query, ms, clock));
    const asked = all.map(text => ask(placeOf(text), questionOf(random.uint32() & 0xffff), withinMs));
    return (await Promise.all(asked)).includes(true);
  }
}

/** Of all addresses, the one of the machine itself. */
function placeOf(text: string): SocketAddress {
  const at = parseSocketAddress(text, 'listen');
  return isWildcard(at) ? { ...at, address: at.family === 4 ? '127.0.0.1' : '::1' } : at;
}

/** `id.server. CH TXT` (RFC 4892). */
function questionOf(id: number): Uint8Array {
  const name = encodeName('id.server');
  const query = new Uint8Array(12 + name.length + 4);
  query.set([id >> 8, id & 255, 0, 0, 0, 1]);
  query.set(name, 12);
  query.set([Type.TXT >> 8, Type.TXT & 255, 0, Class.CH], 12 + name.length);
  return query;
}

function askOnce(at: SocketAddress, query: Uint8Array, withinMs: number, clock: Clock): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket(at.family === 6 ? 'udp6' : 'udp4');
    const end = (answered: boolean): void => {
      timer.cancel();
      socket.removeAllListeners('message');
      socket.close();
      resolve(answered);
    };
    const timer = clock.after(withinMs, () => end(false));
    socket.on('error', () => end(false));
    socket.on('message', reply => {
      if (reply.length >= 12 && reply[0] === query[0] && reply[1] === query[1]) end(true);
    });
    socket.send(query, at.port, at.address, error => {
      if (error !== null) end(false);
    });
  });
}
