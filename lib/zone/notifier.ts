// Tells secondaries that a zone has changed (RFC 1996): at once, and again until each has answered. A version that comes
// meanwhile takes the place of the one that is being told.
//
// Bounds: one notification of a zone to a server at a time, MAX_UNDER_WAY messages in all; others wait in order. Each is
// sent TRIES times, FIRST_WAIT_MS apart and twice as long each time.
import { formatSocketAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { Exchanging, ServerAddress, Transport } from '../transport/transport.js';
import { headerRcode } from '../wire/flags.js';
import { Rcode, rcodeName } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { nameKey, nameToText } from '../wire/name.js';
import { checkResponse, signMessage } from './tsig/mac.js';
import { notification } from './transfer/questions.js';
import { type PeerServer, peerText } from './transfer/primary-connection.js';

const TRIES = 5;
const FIRST_WAIT_MS = 15_000;
const ANSWER_MS = 5000;
const MAX_UNDER_WAY = 64;

interface Telling {
  /** Its place among those of its zone. */
  readonly key: string;
  readonly peer: PeerServer;
  apex: Uint8Array;
  soa: ResourceRecord;
  tries: number;
  timer: Timer | undefined;
  exchange: Exchanging | undefined;
}

export interface NotifierParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** UDP. */
  readonly transport: Transport;
}

export class Notifier {
  readonly stats = { sent: 0, answered: 0, refused: 0, failed: 0 };
  /** By their zones, so that one of many is forgotten without a look at the others. */
  readonly #zones = new Map<string, Map<string, Telling>>();
  #underWay = 0;
  /** In the order that they came. */
  readonly #waiting = new Set<Telling>();
  #isClosed = false;

  constructor(private readonly parts: NotifierParts) {}

  /** Servers that have not answered yet. */
  get pending(): number {
    let pending = 0;
    for (const telling of this.#zones.values()) pending += telling.size;
    return pending;
  }

  notify(apex: Uint8Array, soa: ResourceRecord, peers: readonly PeerServer[]): void {
    if (this.#isClosed) return;
    for (const peer of peers) {
      const key = formatSocketAddress(peer.server);
      const zone = nameKey(apex);
      const ofZone = this.#zones.get(zone) ?? new Map<string, Telling>();
      const before = ofZone.get(key);
      if (before !== undefined) this.#stop(before);
      const telling: Telling = { key, peer, apex, soa, tries: 0, timer: undefined, exchange: undefined };
      ofZone.set(key, telling);
      this.#zones.set(zone, ofZone);
      this.#begin(telling);
    }
  }

  #over(telling: Telling): void {
    const zone = nameKey(telling.apex);
    const ofZone = this.#zones.get(zone);
    if (ofZone?.get(telling.key) !== telling) return;
    ofZone.delete(telling.key);
    if (ofZone.size === 0) this.#zones.delete(zone);
  }

  /** The zone is served no more, or by others. */
  forget(apex: Uint8Array): void {
    const zone = nameKey(apex);
    for (const telling of this.#zones.get(zone)?.values() ?? []) this.#stop(telling);
    this.#zones.delete(zone);
  }

  close(): void {
    this.#isClosed = true;
    for (const ofZone of this.#zones.values()) for (const telling of ofZone.values()) this.#stop(telling);
    this.#zones.clear();
    this.#waiting.clear();
  }

  #stop(telling: Telling): void {
    telling.timer?.cancel();
    telling.tries = TRIES;
    this.#waiting.delete(telling);
    if (telling.exchange === undefined) return;
    telling.exchange.callOff();
    telling.exchange = undefined;
    this.#left();
  }

  #begin(telling: Telling): void {
    if (this.#underWay >= MAX_UNDER_WAY) {
      this.#waiting.add(telling);
      return;
    }
    this.#underWay++;
    const { clock, random, transport } = this.parts;
    const { apex, soa, peer } = telling;
    const query = notification({ id: random.uint32() & 0xffff, apex }, soa);
    const signed = peer.key && signMessage(query, { key: peer.key, now: clock.wallSeconds() });
    telling.tries++;
    this.stats.sent++;
    // Only an address: what a server is told by this needs no secrecy, and TLS is for what it then asks.
    const { address, port, family } = peer.server;
    const server: ServerAddress = { address, port, family };
    const options = { timeoutMs: ANSWER_MS, letters: 'kept', entropy: 'any' } as const;
    telling.exchange = transport.ask(signed?.message ?? query, server, options, {
      answered: response => {
        telling.exchange = undefined;
        this.#left();
        this.#answered(telling, response, signed?.mac);
      },
      lost: () => {
        telling.exchange = undefined;
        this.#left();
        this.#again(telling, 'no answer');
      },
      doubted: () => {},
    });
  }

  #left(): void {
    this.#underWay--;
    const [next] = this.#waiting;
    if (next === undefined || this.#isClosed) return;
    this.#waiting.delete(next);
    this.#begin(next);
  }

  #answered(telling: Telling, response: Uint8Array, mac: Uint8Array | undefined): void {
    const { clock } = this.parts;
    const { key: tsigKey } = telling.peer;
    if (tsigKey !== undefined) {
      const verdict = checkResponse(response, { key: tsigKey, requestMac: mac!, now: clock.wallSeconds() });
      if (verdict.status === 'bad') {
        this.#again(telling, verdict.reason);
        return;
      }
    }
    const rcode = headerRcode(response);
    if (rcode === Rcode.NOERROR) this.stats.answered++;
    else {
      this.stats.refused++;
      this.#tell(telling, `it says ${rcodeName(rcode)}`);
    }
    this.#over(telling);
  }

  #again(telling: Telling, reason: string): void {
    if (this.#isClosed || this.#zones.get(nameKey(telling.apex))?.get(telling.key) !== telling) return;
    if (telling.tries >= TRIES) {
      this.#over(telling);
      this.stats.failed++;
      this.#tell(telling, reason);
      return;
    }
    const waitMs = FIRST_WAIT_MS * 2 ** (telling.tries - 1) - ANSWER_MS;
    telling.timer = this.parts.clock.after(waitMs, () => this.#begin(telling));
  }

  #tell({ apex, peer }: Telling, reason: string): void {
    const fields = { zone: nameToText(apex), server: peerText(peer), reason };
    this.parts.log.warn(fields, 'a secondary could not be told of a change');
  }
}
