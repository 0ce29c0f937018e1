// What a secondary that asks for a zone is sent: all of it (RFC 5936), what has changed since its version (RFC 1995), or
// that there is nothing newer. Over UDP only what fits into one message; else the SOA alone, which sends it to TCP.
//
// A difference is objects while it is made, some twenty times its octets, and octets while it is sent, which takes as long as
// whoever reads it likes.
import { inOneGo } from '../base/slices.js';
import { Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { isNewer } from './serial.js';
import { condensing, type Difference, fromSerial, octetsOf } from './transfer/difference.js';
import type { Journal } from './transfer/journal.js';
import { decoding, encoding, placesOf } from './transfer/record-octets.js';
import type { TransferQuestion } from './transfer/transfer-message.js';
import { placeOf, type RecordPlace, TransferWriter } from './transfer/transfer-writer.js';
import type { Zone } from './zone.js';

export interface Outgoing {
  readonly kind: 'whole' | 'differences' | 'current';
  readonly writer: TransferWriter;
}

function* wholeZone(zone: Zone): Generator<RecordPlace> {
  yield* zone.cursor();
  yield placeOf(zone.soa);
}

/** @param octets of a difference to that SOA */
function* places(soa: ResourceRecord, octets: Buffer): Generator<RecordPlace> {
  yield placeOf(soa);
  yield* placesOf(octets);
  yield placeOf(soa);
}

/** Octets of the journal that a difference from that serial is made of; 0: there is none. */
export const octetsToMake = (journal: Journal | undefined, theirs: number): number =>
  journal?.since(theirs)?.reduce((sum, one) => sum + one.octets.length, 0) ?? 0;

/**
 * @param theirs the SOA's serial that a question for IXFR has; undefined for AXFR
 * @param journal undefined where there is none
 */
export function outgoing(
  zone: Zone,
  question: TransferQuestion,
  theirs: number | undefined,
  journal: Journal | undefined,
): Outgoing {
  return inOneGo(making(zone, question, theirs, journal));
}

/** The same in steps: of differences of many versions one is made first. */
export function* making(
  zone: Zone,
  question: TransferQuestion,
  theirs: number | undefined,
  journal: Journal | undefined,
): Generator<void, Outgoing> {
  const { soa, serial } = zone;
  if (theirs === undefined) return { kind: 'whole', writer: new TransferWriter(question, wholeZone(zone)) };
  if (!isNewer(serial, theirs)) return { kind: 'current', writer: new TransferWriter(question, [placeOf(soa)]) };
  const since = journal?.last === serial ? journal.since(theirs) : undefined;
  if (since !== undefined && since.length > 0) {
    const differences: Difference[] = [];
    for (const { octets } of since) differences.push(yield* decoding(octets));
    const { difference } = yield* condensing(differences);
    // What is longer than the zone is no saving (RFC 1995 section 5).
    if (fromSerial(difference) === theirs && octetsOf(difference) < zone.octets) {
      const octets = yield* encoding(difference);
      return { kind: 'differences', writer: new TransferWriter(question, places(soa, octets)) };
    }
  }
  return { kind: 'whole', writer: new TransferWriter(question, wholeZone(zone)) };
}

/** What has come and gone in more octets than this is not looked at for the sake of one datagram. */
const MOST_FOR_DATAGRAM = 65_536;

/** The same over UDP: one message of at most `most` octets. */
export function outgoingDatagram(
  zone: Zone,
  question: TransferQuestion,
  theirs: number,
  journal: Journal | undefined,
  most: number,
): Buffer {
  const octets = octetsToMake(journal, theirs);
  const { kind, writer } = outgoing(zone, question, theirs, octets > MOST_FOR_DATAGRAM ? undefined : journal);
  if (kind === 'differences') {
    const message = writer.next();
    const isAll = message !== undefined && message.length <= most && writer.next() === undefined;
    writer.close();
    if (isAll) return message;
  } else writer.close();
  return new TransferWriter({ ...question, type: Type.IXFR }, [placeOf(zone.soa)]).next()!;
}
