// What a secondary that asks for a zone is sent: all of it (RFC 5936), what has changed since its version (RFC 1995), or
// that there is nothing newer. Over UDP only what fits into one message; else the SOA alone, which sends it to TCP.
import { Type } from '../wire/iana.js';
import type { ResourceRecord } from '../wire/message.js';
import { isNewer } from './serial.js';
import { condensed, fromSerial, octetsOf, recordsOfDifference } from './transfer/difference.js';
import type { Journal } from './transfer/journal.js';
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

function* places(records: Iterable<ResourceRecord>): Generator<RecordPlace> {
  for (const record of records) yield placeOf(record);
}

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
  const { soa, serial } = zone;
  if (theirs === undefined) return { kind: 'whole', writer: new TransferWriter(question, wholeZone(zone)) };
  if (!isNewer(serial, theirs)) return { kind: 'current', writer: new TransferWriter(question, [placeOf(soa)]) };
  const since = journal?.last === serial ? journal.from(theirs) : undefined;
  if (since !== undefined && since.length > 0) {
    const { difference } = condensed(since);
    // What is longer than the zone is no saving (RFC 1995 section 5).
    if (fromSerial(difference) === theirs && octetsOf(difference) < zone.octets) {
      const records = function* (): Generator<ResourceRecord> {
        yield soa;
        yield* recordsOfDifference(difference);
        yield soa;
      };
      return { kind: 'differences', writer: new TransferWriter(question, places(records())) };
    }
  }
  return { kind: 'whole', writer: new TransferWriter(question, wholeZone(zone)) };
}

/** The same over UDP: one message of at most `most` octets. */
export function outgoingDatagram(
  zone: Zone,
  question: TransferQuestion,
  theirs: number,
  journal: Journal | undefined,
  most: number,
): Buffer {
  const { kind, writer } = outgoing(zone, question, theirs, journal);
  if (kind === 'differences') {
    const message = writer.next();
    const isAll = message !== undefined && message.length <= most && writer.next() === undefined;
    writer.close();
    if (isAll) return message;
  } else writer.close();
  return new TransferWriter({ ...question, type: Type.IXFR }, [placeOf(zone.soa)]).next()!;
}
