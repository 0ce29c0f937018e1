// A primary without sockets: zones and what it says of them, over streams that a test opens.
import { Duplex } from 'node:stream';
import { frame, MessageReader } from '../../lib/transport/framing.js';
import { Type } from '../../lib/wire/iana.js';
import { decodeMessage, encodeMessage, questionEnd } from '../../lib/wire/message.js';
import { nameKey, foldName } from '../../lib/wire/name.js';
import { withBareOpt } from '../../lib/wire/opt.js';
import { bareReply } from '../../lib/zone/authority/replies.js';
import { outgoing } from '../../lib/zone/outgoing.js';
import { serialOf } from '../../lib/zone/soa.js';
import { asksExpire, tellingExpire } from '../../lib/zone/transfer/expire.js';
import type { Journal } from '../../lib/zone/transfer/journal.js';
import type { OpenStream } from '../../lib/zone/transfer/primary-connection.js';
import type { Zone } from '../../lib/zone/zone.js';

export class FakePrimary {
  readonly zones = new Map<string, Zone>();
  journal: Journal | undefined;
  /** What it was asked: `SOA`, `AXFR`, `IXFR`. */
  readonly asked: string[] = [];
  /** Seconds that it has left of each zone, where it is a secondary itself and says so (RFC 7314). */
  expires: number | undefined;
  /** Says nothing at all. */
  isSilent = false;
  /** In place of what it would say. */
  says: ((query: Buffer, type: number) => Uint8Array[] | undefined) | undefined;
  opened = 0;

  serve(zone: Zone): void {
    this.zones.set(nameKey(zone.apex), zone);
  }

  readonly open: OpenStream = (_, opened) => {
    this.opened++;
    const reader = new MessageReader();
    const stream: Duplex = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        for (const query of reader.push(chunk)) {
          for (const message of this.#answer(Buffer.from(query))) stream.push(frame(message));
        }
        done();
      },
    });
    setImmediate(opened);
    return stream;
  };

  #answer(query: Buffer): Uint8Array[] {
    if (this.isSilent) return [];
    const end = questionEnd(query);
    const type = query.readUInt16BE(end - 4);
    this.asked.push(type === Type.SOA ? 'SOA' : type === Type.IXFR ? 'IXFR' : 'AXFR');
    const said = this.says?.(query, type);
    if (said !== undefined) return said;
    const apex = foldName(query, 12, end - 4);
    const zone = this.zones.get(nameKey(apex));
    if (zone === undefined) return [bareReply(query, 5)];
    const { id, question, authorities } = decodeMessage(query);
    const told = asksExpire(query) ? this.expires : undefined;
    if (type === Type.SOA) {
      const answers = [zone.soa];
      const reply = encodeMessage({ id, flags: 0x8400, question, answers, authorities: [], additionals: [] })!;
      return [told === undefined ? reply : tellingExpire(withBareOpt(reply, 1232), told)];
    }
    const opt = told === undefined ? undefined : { expireSeconds: told, pads: false };
    const theirs = type === Type.IXFR ? serialOf(authorities[0]) : undefined;
    const { writer } = outgoing(zone, { id, apex, type: type as never, opt }, theirs, this.journal);
    const messages: Uint8Array[] = [];
    for (let one = writer.next(); one !== undefined; one = writer.next()) messages.push(one);
    return messages;
  }
}
