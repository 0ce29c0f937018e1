// What comes in for who serves zones: transfers (RFC 5936, RFC 1995), notifications (RFC 1996), updates (RFC 2136), and
// whatever else is signed (RFC 8945). Signatures first; then who may, then what is done.
//
// Bounds: transfers under way by TransferPlaces, each for TRANSFER_MS at the most; a zone that is being sent stays in memory
// until then. Updates of a zone one after the other, UPDATES_WAITING of them; those that are signed and known by Replays.
import type { Clock } from '../../base/clock.js';
import { ShardnsError } from '../../base/errors.js';
import { clientOf } from '../../base/client-shares.js';
import { inSlices } from '../../base/slices.js';
import type { Logger } from '../../base/log.js';
import { flagsOf, opcodeOf } from '../../wire/flags.js';
import { Class, Flag, HEADER_SIZE, Opcode, Rcode, Type } from '../../wire/iana.js';
import { decodeMessage, questionEnd } from '../../wire/message.js';
import { equalNames, foldName, isAtOrBelow, nameToText } from '../../wire/name.js';
import { findOpt, findOption, OptionCode, toldUdpSize } from '../../wire/opt.js';
import { word } from '../../wire/record-walk.js';
import { type AccessClient, isAllowed } from '../access.js';
import type { ZoneLink } from '../links.js';
import { making, type Outgoing, outgoingDatagram } from '../outgoing.js';
import { serialOf } from '../soa.js';
import { asksExpire, tellingExpire, withoutExpire } from '../transfer/expire.js';
import { TransferPlaces } from '../transfer/places.js';
import type { TransferQuestion } from '../transfer/transfer-message.js';
import type { TransferWriter } from '../transfer/transfer-writer.js';
import type { TsigKeys } from '../tsig/key.js';
import { answerBadRequest, checkRequest } from '../tsig/mac.js';
import { tsigErrorName } from '../tsig/record.js';
import { TsigStreamSigner } from '../tsig/stream.js';
import { applyUpdate, isSigned } from '../update/apply-update.js';
import type { Zone } from '../zone.js';
import { Replays } from '../update/replays.js';
import { readUpdate } from '../update/update-message.js';
import { Refusals } from './refusals.js';
import { bareReply, mostOctets, sealed, type Signing } from './replies.js';

const TRANSFERS = 64;
const TRANSFERS_OF_CLIENT = 8;
const TRANSFER_MS = 7_200_000;
const UPDATES_WAITING = 64;

/** Who asks, and how. */
export interface AuthorityAsker {
  readonly protocol: 'udp' | 'tcp' | 'tls' | 'https';
  readonly client: { readonly address: string; readonly port: number };
}

/** The messages of a reply behind the first, as they are asked for. */
export interface MessageSource {
  /** Undefined: that was the last. @throws {ShardnsError} where the reply cannot be ended: its connection is closed */
  next(): Uint8Array | undefined;
  /** No more are wanted. May be called at any time, any number of times. */
  close(): void;
}

/** Takes the reply, once; `more` only over streams. */
export type AuthorityReply = (octets: Uint8Array | undefined, more?: MessageSource) => void;

export interface RequestParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: () => TsigKeys;
  /** The zone of that apex, folded, with how it is linked to others. */
  readonly link: (apex: Uint8Array) => ZoneLink | undefined;
  /** What anybody would be told, who does not sign: the reply may be overwritten after the call. */
  readonly answer: (
    message: Uint8Array,
    asker: AuthorityAsker,
    reply: (octets: Uint8Array | undefined) => void,
  ) => void;
}

export interface RequestStats {
  transfers: { whole: number; differences: number; current: number; refused: number };
  notifications: { taken: number; refused: number };
  updates: { done: number; nothing: number; refused: number };
  /** Requests whose signature was wrong, by what is wrong with it. */
  tsig: Record<'BADKEY' | 'BADSIG' | 'BADTIME' | 'BADTRUNC', number>;
}

interface Request {
  /** Without its signature. */
  readonly message: Uint8Array;
  readonly asker: AuthorityAsker;
  readonly access: AccessClient;
  readonly signing: Signing | undefined;
  readonly most: number;
  /** Replies are padded: it came encrypted, and padded itself (RFC 7830 section 4). */
  readonly pads: boolean;
  readonly reply: AuthorityReply;
}

export class AuthorityRequests {
  readonly stats: RequestStats = {
    transfers: { whole: 0, differences: 0, current: 0, refused: 0 },
    notifications: { taken: 0, refused: 0 },
    updates: { done: 0, nothing: 0, refused: 0 },
    tsig: { BADKEY: 0, BADSIG: 0, BADTIME: 0, BADTRUNC: 0 },
  };
  readonly #places = new TransferPlaces(TRANSFERS, TRANSFERS_OF_CLIENT);
  readonly #replays = new Replays();
  readonly #refusals: Refusals;
  /** Updates of a zone follow one another. */
  readonly #updating = new WeakMap<ZoneLink, { last: Promise<unknown>; waiting: number }>();
  readonly #sources = new Set<MessageSource>();
  #isClosed = false;

  constructor(private readonly parts: RequestParts) {
    this.#refusals = new Refusals(parts.log, parts.clock);
  }

  /** Transfers that are being sent. */
  get sending(): number {
    return this.#places.underWay;
  }

  /** Calls `reply` once, at once or later. Never throws. @param message is not to change */
  handle(message: Uint8Array, asker: AuthorityAsker, reply: AuthorityReply): void {
    if (message.length < HEADER_SIZE) {
      reply(undefined);
      return;
    }
    let isReplied = false;
    const once: AuthorityReply = (octets, more) => {
      if (isReplied) return more?.close();
      isReplied = true;
      reply(octets, more);
    };
    try {
      this.#handle(message, asker, once);
    } catch (error) {
      this.#broke(error, message, once);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const source of this.#sources) source.close();
  }

  #broke(error: unknown, message: Uint8Array, reply: AuthorityReply): void {
    const isTheirs = error instanceof ShardnsError && error.code === 'ERR_SHARDNS_MESSAGE';
    if (!isTheirs) this.parts.log.error({ err: error }, 'a request for a zone could not be answered');
    reply(bareReply(message, isTheirs ? Rcode.FORMERR : Rcode.SERVFAIL));
  }

  #handle(message: Uint8Array, asker: AuthorityAsker, reply: AuthorityReply): void {
    const { clock, keys } = this.parts;
    const most = mostOctets(asker.protocol === 'udp' ? (toldUdpSize(message) ?? 512) : undefined);
    const verdict = checkRequest(message, keys(), clock.wallSeconds());
    if (verdict.status === 'malformed') return reply(bareReply(message, Rcode.FORMERR));
    const isEncrypted = asker.protocol === 'tls' || asker.protocol === 'https';
    const access = { address: asker.client.address, isEncrypted };
    const pads = isEncrypted && findOption(message, OptionCode.padding) !== undefined;
    if (verdict.status === 'bad') {
      this.stats.tsig[tsigErrorName(verdict.error) as keyof RequestStats['tsig']]++;
      this.#refusals.saySignature(access, verdict);
      return reply(answerBadRequest(bareReply(message, Rcode.NOTAUTH), verdict, clock.wallSeconds()));
    }
    if (verdict.status === 'unsigned') {
      return this.#dispatch({ message, asker, access, signing: undefined, most, pads, reply });
    }
    const { key, tsig, unsigned } = verdict;
    const known = { ...access, key };
    this.#dispatch({ message: unsigned, asker, access: known, signing: { key, tsig }, most, pads, reply });
  }

  #dispatch(request: Request): void {
    const { message } = request;
    const end = questionEnd(message);
    const opcode = opcodeOf(message);
    if (opcode === Opcode.UPDATE) return this.#update(request);
    if (end === 0) return this.#say(request, Rcode.FORMERR);
    const type = word(message, end - 4);
    if (opcode === Opcode.NOTIFY) return this.#notify(request, type);
    const isOfZone = opcode === Opcode.QUERY && (type === Type.AXFR || type === Type.IXFR);
    if (isOfZone) return this.#transfer(request, type, end);
    // As anybody would be told it who does not ask how long the zone lives: else it would be for here again.
    const asked = type === Type.SOA ? withoutExpire(message) : message;
    this.parts.answer(asked, request.asker, octets => {
      // What the listener sends is its own; more is added to this, so a copy.
      let reply: Uint8Array | undefined = octets && Uint8Array.from(octets);
      if (reply !== undefined && type === Type.SOA && asksExpire(message)) reply = this.#withExpire(reply, end);
      request.reply(reply && this.#sealed(request, reply));
    });
  }

  /** Where it is the SOA that the zone has (RFC 7314 section 3). @param end of the question */
  #withExpire(reply: Uint8Array, end: number): Uint8Array {
    const apex = foldName(reply, HEADER_SIZE, end - 4);
    const link = this.parts.link(apex);
    const soa = link?.zone && decodeMessage(reply).answers.find(one => one.type === Type.SOA);
    const isZones = soa !== undefined && equalNames(soa.name, apex) && serialOf(soa) === link!.zone!.serial;
    return isZones && (flagsOf(reply) & Flag.AA) !== 0 ? tellingExpire(reply, link!.expireSeconds) : reply;
  }

  #sealed({ message, signing, most, pads }: Request, reply: Uint8Array): Uint8Array | undefined {
    return sealed(reply, message, { signing, most, pads, now: this.parts.clock.wallSeconds() });
  }
  #say(request: Request, rcode: number, flags = 0): void {
    request.reply(this.#sealed(request, bareReply(request.message, rcode, flags)));
  }

  #notify(request: Request, type: number): void {
    const { message, access } = request;
    const { stats } = this;
    const end = questionEnd(message);
    const apex = foldName(message, HEADER_SIZE, end - 4);
    const link = type === Type.SOA && word(message, end - 2) === Class.IN ? this.parts.link(apex) : undefined;
    const source = link?.source;
    if (source === undefined || !source.mayNotify(access)) {
      stats.notifications.refused++;
      if (source !== undefined) this.#refusals.say('a notification', access, link!.name);
      return this.#say(request, source === undefined ? Rcode.NOTAUTH : Rcode.REFUSED);
    }
    stats.notifications.taken++;
    const told = decodeMessage(message).answers.find(one => one.type === Type.SOA && equalNames(one.name, apex));
    this.#say(request, Rcode.NOERROR, Flag.AA);
    source.notified(access, told && told.data.length > 20 ? serialOf(told) : undefined);
  }

  #transfer(request: Request, type: number, end: number): void {
    const { message, asker, access } = request;
    const { transfers } = this.stats;
    const refuse = (rcode: number, zone?: string): void => {
      transfers.refused++;
      if (zone !== undefined) this.#refusals.say('a transfer', access, zone);
      this.#say(request, rcode);
    };
    if (asker.protocol === 'udp' && type === Type.AXFR) return refuse(Rcode.FORMERR);
    const apex = foldName(message, HEADER_SIZE, end - 4);
    const link = word(message, end - 2) === Class.IN ? this.parts.link(apex) : undefined;
    if (link === undefined) return refuse(Rcode.NOTAUTH);
    if (asker.protocol === 'https' || !isAllowed(link.allowTransfer, access)) return refuse(Rcode.REFUSED, link.name);
    const { zone } = link;
    if (zone === undefined) return refuse(Rcode.SERVFAIL);
    let theirs: number | undefined;
    if (type === Type.IXFR) {
      const { authorities } = decodeMessage(message);
      const soa = authorities.find(one => one.type === Type.SOA && equalNames(one.name, apex));
      if (soa === undefined || soa.data.length < 22) return refuse(Rcode.FORMERR);
      theirs = serialOf(soa);
    }
    const expireSeconds = asksExpire(message) ? link.expireSeconds : undefined;
    const question: TransferQuestion = {
      id: word(message, 0),
      apex,
      type: type as TransferQuestion['type'],
      opt: findOpt(message) > 0 ? { expireSeconds, pads: request.pads } : undefined,
    };
    if (asker.protocol === 'udp') {
      transfers.differences++;
      const reply = outgoingDatagram(zone, question, theirs!, link.journal, request.most);
      return request.reply(this.#sealed(request, reply));
    }
    const place = clientOf(asker.client.address);
    if (!this.#places.take(place)) return refuse(Rcode.SERVFAIL);
    void this.#sendWhenMade(request, zone, making(zone, question, theirs, link.journal), place);
  }

  /** Never rejects. @param place that it has until it is over */
  async #sendWhenMade(request: Request, zone: Zone, steps: Iterator<void, Outgoing>, place: string): Promise<void> {
    let isBegun = false;
    try {
      const outgoing = await inSlices(steps, this.parts.clock);
      isBegun = !this.#isClosed;
      if (isBegun) this.#send(request, zone, outgoing, place);
      else request.reply(undefined);
    } catch (error) {
      this.#broke(error, request.message, request.reply);
    } finally {
      if (!isBegun) this.#places.release(place);
    }
  }

  #send(request: Request, zone: Zone, { kind, writer }: Outgoing, place: string): void {
    const { access } = request;
    this.stats.transfers[kind]++;
    const source = this.#sourceOf(writer, request, () => {
      this.#places.release(place);
      const { messages, records } = writer;
      const fields = { zone: zone.name, serial: zone.serial, to: access.address, kind, messages, records };
      this.parts.log.info(fields, 'a zone was sent');
    });
    let first: Uint8Array | undefined;
    try {
      first = source.next();
    } catch (error) {
      source.close();
      throw error;
    }
    request.reply(first, source);
  }

  #sourceOf(writer: TransferWriter, { signing }: Request, over: () => void): MessageSource {
    const { clock } = this.parts;
    const signer = signing && new TsigStreamSigner(signing.key, signing.tsig.mac);
    const until = clock.nowMs() + TRANSFER_MS;
    let isOver = false;
    const source: MessageSource = {
      next: () => {
        if (isOver) return undefined;
        if (clock.nowMs() > until) {
          source.close();
          throw new ShardnsError('ERR_SHARDNS_TIMEOUT', 'a transfer that takes too long');
        }
        const message = writer.next();
        if (message === undefined) source.close();
        if (message === undefined || signer === undefined) return message;
        const signed = signer.sign(message, clock.wallSeconds());
        if (signed !== undefined) return signed;
        source.close();
        throw new ShardnsError('ERR_SHARDNS_OVERLOAD', 'a record that leaves no room for a signature');
      },
      close: () => {
        if (isOver) return;
        isOver = true;
        writer.close();
        this.#sources.delete(source);
        over();
      },
    };
    this.#sources.add(source);
    return source;
  }

  #update(request: Request): void {
    const { message, signing } = request;
    const { updates } = this.stats;
    const refuse = (rcode: number, zone?: string): void => {
      updates.refused++;
      if (zone !== undefined) this.#refusals.say('an update', request.access, zone);
      this.#say(request, rcode);
    };
    const update = readUpdate(message);
    if (typeof update === 'number') return refuse(update);
    const link = this.parts.link(update.apex);
    if (link === undefined) return refuse(Rcode.NOTAUTH);
    // Whoever has no key may change nothing, whatever its address: that can be made up.
    // Some systems try by themselves with whatever zone they are in: of one that takes none that is no news.
    if (signing === undefined && !link.takesUpdates) return refuse(Rcode.REFUSED);
    if (signing === undefined || !link.takesUpdates) return refuse(Rcode.REFUSED, link.name);
    const { clock } = this.parts;
    const now = clock.wallSeconds();
    const reply = this.#replays.take(signing.tsig, now, () => this.#runUpdate(request, link));
    if (reply === undefined) return refuse(Rcode.SERVFAIL);
    reply.then(request.reply, (error: unknown) => this.#broke(error, message, request.reply));
  }

  async #runUpdate(request: Request, link: ZoneLink): Promise<Uint8Array | undefined> {
    const queue = this.#updating.get(link) ?? { last: Promise.resolve(), waiting: 0 };
    this.#updating.set(link, queue);
    const { updates } = this.stats;
    const said = (rcode: number): Uint8Array | undefined => {
      if (rcode !== Rcode.NOERROR) updates.refused++;
      if (rcode === Rcode.REFUSED) this.#refusals.say('an update', request.access, link.name);
      return this.#sealed(request, bareReply(request.message, rcode));
    };
    if (queue.waiting >= UPDATES_WAITING) return said(Rcode.SERVFAIL);
    queue.waiting++;
    const done = queue.last.then(() => this.#apply(request, link));
    queue.last = done.catch(() => {});
    try {
      return said(await done);
    } catch (error) {
      this.parts.log.error({ err: error, zone: link.name }, 'an update could not be done');
      return said(Rcode.SERVFAIL);
    } finally {
      queue.waiting--;
    }
  }

  /** @returns the rcode; when it is NOERROR, what has changed is kept */
  async #apply({ message, signing }: Request, link: ZoneLink): Promise<number> {
    await link.restored;
    const { zone } = link;
    const update = readUpdate(message);
    if (zone === undefined || typeof update === 'number') return Rcode.SERVFAIL;
    const { name: key } = signing!.key;
    const rules = link.allowUpdate.filter(one => equalNames(one.key, key));
    if (rules.length === 0 || isSigned(zone)) return Rcode.REFUSED;
    const result = applyUpdate(zone, update, (name, type) =>
      rules.some(
        ({ names, types }) =>
          (names.length === 0 || names.some(one => isAtOrBelow(name, one))) &&
          // All types of a name at once are for those who may change all.
          (types.length === 0 || types.includes(type)),
      ),
    );
    if (!('difference' in result)) return result.rcode;
    const { difference } = result;
    if (difference === undefined) this.stats.updates.nothing++;
    else {
      await link.change(difference);
      this.stats.updates.done++;
      const fields = { zone: link.name, serial: serialOf(difference.after), key: nameToText(key) };
      this.parts.log.info(fields, 'a zone was updated');
    }
    return Rcode.NOERROR;
  }
}
