// Signed messages (RFC 8945): what is signed, what is believed, and what is said of what is not.
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Rcode, Type } from '../../../lib/wire/iana.js';
import { encodeQuestion } from '../../../lib/wire/message.js';
import { encodeName } from '../../../lib/wire/name.js';
import { bareReply } from '../../../lib/zone/authority/replies.js';
import { makeTsigKey, TSIG_ALGORITHMS, TsigKeys } from '../../../lib/zone/tsig/key.js';
import { answerBadRequest, checkRequest, checkResponse, signMessage } from '../../../lib/zone/tsig/mac.js';
import { appendTsig, readTsig, TsigError, type TsigRecord } from '../../../lib/zone/tsig/record.js';
import { TsigStreamChecker, TsigStreamSigner } from '../../../lib/zone/tsig/stream.js';

const SECRET = Buffer.from('a secret of twenty-four!').toString('base64');
const key = makeTsigKey({ name: 'Key.Example', algorithm: 'hmac-sha256', secret: SECRET });
const keys = new TsigKeys([key]);
const NOW = 1_700_000_000;
const query = (id = 4711): Uint8Array =>
  encodeQuestion({ id, flags: 0, question: { name: encodeName('example'), type: Type.SOA, dnsClass: 1 } });
const signed = (message = query(), now = NOW) => signMessage(message, { key, now })!;

/** The record of a signed message, changed, and put on again. */
function altered(message: Uint8Array, change: Partial<TsigRecord>): Buffer {
  const read = readTsig(message);
  if (typeof read === 'string') throw new Error(read);
  return appendTsig(read.unsigned, { ...read.tsig, ...change })!;
}
const errorOf = (message: Uint8Array, now = NOW, known = keys): number | string => {
  const verdict = checkRequest(message, known, now);
  return verdict.status === 'bad' ? verdict.error : verdict.status;
};

describe('a signed request', () => {
  test('has the MAC that RFC 8945 section 4.3 says, computed here by hand', () => {
    const { message, mac } = signed();
    const variables = Buffer.concat([
      encodeName('key.example'),
      Buffer.from('00ff00000000', 'hex'),
      encodeName('hmac-sha256'),
      Buffer.from('00006553f100012c00000000', 'hex'),
    ]);
    const expected = createHmac('sha256', Buffer.from(SECRET, 'base64')).update(query()).update(variables).digest();
    expect(mac).toEqual(expected);
    expect(errorOf(message)).toBe('good');
  });
  test.each(TSIG_ALGORITHMS)('by %s is believed, and by no other algorithm', algorithm => {
    const one = makeTsigKey({ name: 'key.example', algorithm, secret: SECRET });
    const { message } = signMessage(query(), { key: one, now: NOW })!;
    expect(errorOf(message, NOW, new TsigKeys([one]))).toBe('good');
    if (algorithm !== 'hmac-sha256') expect(errorOf(message)).toBe(TsigError.BADKEY);
  });
  test('is believed under another id, as a forwarder gives it one (section 5.1)', () => {
    const { message } = signed();
    message.writeUInt16BE(99, 0);
    const verdict = checkRequest(message, keys, NOW);
    expect(verdict.status === 'good' && verdict.unsigned.readUInt16BE(0)).toBe(4711);
  });
  test('is judged by its key first, then its MAC, its time, and what is cut from it (section 5.2)', () => {
    const { message, mac } = signed(query(), NOW - 4000);
    const wrong = Buffer.from(mac.map(octet => octet ^ 1));
    const cut = mac.subarray(0, 16);
    expect(errorOf(altered(message, { name: encodeName('other'), mac: wrong }))).toBe(TsigError.BADKEY);
    expect(errorOf(altered(message, { mac: wrong }))).toBe(TsigError.BADSIG);
    expect(errorOf(altered(message, { mac: cut }))).toBe(TsigError.BADTIME);
    expect(errorOf(altered(signed().message, { mac: signed().mac.subarray(0, 16) }))).toBe(TsigError.BADTRUNC);
  });
  test('is in time as long as its fudge says, and no longer', () => {
    const { message } = signed();
    expect([-300, 300].map(by => errorOf(message, NOW + by))).toEqual(['good', 'good']);
    expect([-301, 301].map(by => errorOf(message, NOW + by))).toEqual([TsigError.BADTIME, TsigError.BADTIME]);
  });
  test('with a MAC shorter than half of its hash, or longer than it, is malformed (section 5.2.2.1)', () => {
    const { message, mac } = signed();
    expect(errorOf(altered(message, { mac: mac.subarray(0, 15) }))).toBe('malformed');
    expect(errorOf(altered(message, { mac: Buffer.concat([mac, mac]) }))).toBe('malformed');
    expect(errorOf(altered(message, { mac: Buffer.alloc(0) }))).toBe('malformed');
  });
  test('with a TSIG of another class, another TTL, or before the end is malformed', () => {
    const { message } = signed();
    const at = query().length + encodeName('key.example').length;
    for (const [place, octet] of [
      [at + 3, 1], // class
      [at + 7, 1], // TTL
    ]) {
      const changed = Buffer.from(message);
      changed[place] = octet;
      expect(errorOf(changed)).toBe('malformed');
    }
    expect(errorOf(altered(Buffer.concat([message]), {}))).toBe('good');
    expect(errorOf(appendTsig(message, { ...tsigOf(message) })!)).toBe('malformed');
  });
  test('cut off at any octet is refused and never thrown at', () => {
    const { message } = signed();
    for (let length = 0; length < message.length; length++) {
      expect(errorOf(message.subarray(0, length)), `${length}`).not.toBe('good');
    }
  });
  test('with any octet changed is not believed', () => {
    const { message } = signed();
    for (let at = 2; at < message.length; at++) {
      const changed = Buffer.from(message);
      changed[at] ^= 0x01;
      expect(errorOf(changed), `${at}`).not.toBe('good');
    }
  });
});

const tsigOf = (message: Uint8Array): TsigRecord => {
  const read = readTsig(message);
  if (typeof read === 'string') throw new Error(read);
  return read.tsig;
};

describe('the answer to a request that is not believed', () => {
  const answerTo = (message: Uint8Array): Buffer => {
    const verdict = checkRequest(message, keys, NOW);
    if (verdict.status !== 'bad') throw new Error(verdict.status);
    return answerBadRequest(bareReply(message, Rcode.NOTAUTH), verdict, NOW)!;
  };
  test('to a wrong key or MAC is not signed (section 5.3.2)', () => {
    const { message, mac } = signed();
    for (const [change, error] of [
      [{ name: encodeName('other') }, TsigError.BADKEY],
      [{ mac: Buffer.from(mac.map(octet => octet ^ 1)) }, TsigError.BADSIG],
    ] as const) {
      const reply = answerTo(altered(message, change));
      expect(tsigOf(reply)).toMatchObject({ error, mac: new Uint8Array(0) });
      expect(reply[3] & 15).toBe(Rcode.NOTAUTH);
    }
  });
  test("to a wrong time is signed, with the client's time and ours beside it", () => {
    const old = signed(query(), NOW - 4000);
    const reply = answerTo(old.message);
    const tsig = tsigOf(reply);
    expect(tsig).toMatchObject({ error: TsigError.BADTIME, timeSigned: NOW - 4000 });
    expect(Buffer.from(tsig.other).readUIntBE(0, 6)).toBe(NOW);
    const verdict = checkResponse(reply, { key, requestMac: old.mac, now: NOW - 4000 });
    expect(verdict).toMatchObject({ status: 'bad', reason: expect.stringContaining('by 4000 s') as string });
  });
});

describe('a response', () => {
  const { mac: requestMac } = signed();
  const respond = (id = 4711): Buffer => bareReply(query(id), Rcode.NOERROR);
  test('is believed with the MAC over its request, and not with that of another', () => {
    const { message } = signMessage(respond(), { key, now: NOW, requestMac })!;
    expect(checkResponse(message, { key, requestMac, now: NOW }).status).toBe('good');
    const { mac: other } = signed(query(1));
    expect(checkResponse(message, { key, requestMac: other, now: NOW })).toMatchObject({
      reason: 'the response has a wrong MAC',
    });
  });
  test('without a signature, or with that of another key, is not believed', () => {
    expect(checkResponse(respond(), { key, requestMac, now: NOW })).toMatchObject({
      reason: 'the response is not signed',
    });
    const other = makeTsigKey({ name: 'other', algorithm: 'hmac-sha256', secret: SECRET });
    const { message } = signMessage(respond(), { key: other, now: NOW, requestMac })!;
    expect(checkResponse(message, { key, requestMac, now: NOW }).status).toBe('bad');
  });
});

describe('a stream of messages', () => {
  const { mac: requestMac } = signed();
  const message = (i: number): Buffer => {
    const one = bareReply(query(), Rcode.NOERROR);
    one[3] = i & 1; // something to tell them apart
    return one;
  };
  const stream = (length: number): Buffer[] => {
    const signer = new TsigStreamSigner(key, requestMac);
    return Array.from({ length }, (_, i) => signer.sign(message(i), NOW)!);
  };
  test('is believed from the first to the last, each without its signature', () => {
    const checker = new TsigStreamChecker(key, requestMac);
    for (const [i, one] of stream(5).entries()) {
      expect(checker.check(one, NOW)).toEqual({ status: 'good', message: message(i) });
      expect(checker.isSettled).toBe(true);
    }
  });
  test('may leave out the signatures of 99 messages, and no more', () => {
    for (const [unsigned, status] of [
      [99, 'good'],
      [100, 'bad'],
    ] as const) {
      const checker = new TsigStreamChecker(key, requestMac);
      expect(checker.check(stream(1)[0], NOW).status).toBe('good');
      const verdicts = Array.from({ length: unsigned }, () => checker.check(message(0), NOW).status);
      expect(verdicts.at(-1)).toBe(status);
      expect(checker.isSettled).toBe(false);
    }
  });
  test('covers messages without a signature by the next that has one', () => {
    const signer = new TsigStreamSigner(key, requestMac);
    const first = signer.sign(message(0), NOW)!;
    // What BIND sends: the MAC of the third is over the second and the third.
    const tsig = tsigOf(first);
    const hmac = createHmac('sha256', Buffer.from(SECRET, 'base64'));
    const length = Buffer.from([0, tsig.mac.length]);
    const timers = Buffer.from('00006553f100012c', 'hex');
    const mac = hmac.update(length).update(tsig.mac).update(message(1)).update(message(2)).update(timers).digest();
    const third = appendTsig(message(2), { ...tsig, mac })!;
    const checker = new TsigStreamChecker(key, requestMac);
    expect([first, message(1), third].map(one => checker.check(one, NOW).status)).toEqual(['good', 'good', 'good']);
    expect(checker.isSettled).toBe(true);
    const forged = new TsigStreamChecker(key, requestMac);
    expect([first, message(0), third].map(one => forged.check(one, NOW).status)).toEqual(['good', 'good', 'bad']);
  });
  test('does not begin without a signature, nor go on where one was left out or moved', () => {
    expect(new TsigStreamChecker(key, requestMac).check(message(0), NOW).status).toBe('bad');
    const [first, , third] = stream(3);
    const checker = new TsigStreamChecker(key, requestMac);
    expect(checker.check(first, NOW).status).toBe('good');
    expect(checker.check(third, NOW).status).toBe('bad');
  });
});

describe('a key', () => {
  test.each([
    ['too short', 'AAAA', /expected base64 of 8 to 512 octets, got 3 octets/],
    ['no base64', 'not base64 at all!', /got other characters/],
  ])('whose secret is %s is refused without showing it', (_, secret, message) => {
    expect(() => makeTsigKey({ name: 'k', algorithm: 'hmac-sha256', secret })).toThrow(message);
    try {
      makeTsigKey({ name: 'k', algorithm: 'hmac-sha256', secret });
    } catch (error) {
      expect((error as Error).message).not.toContain(secret);
    }
  });
});
