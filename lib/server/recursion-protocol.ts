// What the main thread and the workers that resolve for it say to each other: batches of octets.
//
//   question  id u32 | flags u8 | length u16 | client's address, its length u8 (0: nobody's) | query
//   outcome   id u32 | kind u8 (bits) | extended error u16 | lives f64 | length u32 | message, or a reason in UTF-8
import type { AskedFrom, Resolved } from '../resolve/recursive-answers.js';

const FRESH = 1;
const Kind = { failure: 1, notKept: 2, ours: 4, withMessage: 8, bogus: 16 } as const;
/** In the place of an extended error: there is none. */
const NO_CODE = 0xffff;
/** Octets before the client. */
const QUESTION_SIZE = 8;
/** Octets before the body. */
const OUTCOME_SIZE = 19;
const FIRST_SIZE = 16_384;

/** Octets under way to the other side; grows with what one turn of the event loop brings. */
class Batch {
  #octets = Buffer.allocUnsafeSlow(FIRST_SIZE);
  #length = 0;

  /** Room for so many octets more. */
  protected room(octets: number): { out: Buffer; at: number } {
    const wanted = this.#length + octets;
    if (wanted > this.#octets.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#octets.length));
      this.#octets.copy(larger, 0, 0, this.#length);
      this.#octets = larger;
    }
    const at = this.#length;
    this.#length = wanted;
    return { out: this.#octets, at };
  }
  /** Everything so far, in memory of its own. */
  take(): Uint8Array<ArrayBuffer> {
    const octets = Uint8Array.from(this.#octets.subarray(0, this.#length));
    this.#length = 0;
    return octets;
  }
}

export class QuestionBatch extends Batch {
  add(id: number, query: Uint8Array, { fresh, client = '' }: AskedFrom): void {
    const { out, at } = this.room(QUESTION_SIZE + client.length + query.length);
    out.writeUInt32LE(id, at);
    out[at + 4] = fresh ? FRESH : 0;
    out.writeUInt16LE(query.length, at + 5);
    out[at + 7] = client.length;
    out.write(client, at + QUESTION_SIZE, 'latin1');
    out.set(query, at + QUESTION_SIZE + client.length);
  }
}

export function* questionsOf(octets: Uint8Array): Generator<{ id: number; query: Uint8Array; from: AskedFrom }> {
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  for (let at = 0; at < view.length;) {
    const queryAt = at + QUESTION_SIZE + view[at + 7];
    const end = queryAt + view.readUInt16LE(at + 5);
    const client = view.toString('latin1', at + QUESTION_SIZE, queryAt) || undefined;
    const from = { fresh: (view[at + 4] & FRESH) !== 0, client };
    yield { id: view.readUInt32LE(at), query: octets.subarray(queryAt, end), from };
    at = end;
  }
}

export class OutcomeBatch extends Batch {
  add(id: number, resolved: Resolved): void {
    const failed = resolved.kind === 'failure';
    const body = resolved.message ?? Buffer.from(failed ? resolved.reason : '');
    const { out, at } = this.room(OUTCOME_SIZE + body.length);
    out.writeUInt32LE(id, at);
    out[at + 4] = kindOf(resolved);
    out.writeUInt16LE(resolved.extendedError ?? NO_CODE, at + 5);
    out.writeDoubleLE(failed ? (resolved.bogusMs ?? Infinity) : resolved.livesMs, at + 7);
    out.writeUInt32LE(body.length, at + 15);
    out.set(body, at + OUTCOME_SIZE);
  }
}

function kindOf(resolved: Resolved): number {
  if (resolved.kind === 'answer') return resolved.noCache ? Kind.notKept : 0;
  return (
    Kind.failure |
    (resolved.ours ? Kind.ours : 0) |
    (resolved.message === undefined ? 0 : Kind.withMessage) |
    (resolved.isBogus === true ? Kind.bogus : 0)
  );
}

export function* outcomesOf(octets: Uint8Array): Generator<{ id: number; resolved: Resolved }> {
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  for (let at = 0; at < view.length;) {
    const id = view.readUInt32LE(at);
    const kind = view[at + 4];
    const extendedError = view.readUInt16LE(at + 5);
    const livesMs = view.readDoubleLE(at + 7);
    const length = view.readUInt32LE(at + 15);
    const body = octets.subarray(at + OUTCOME_SIZE, at + OUTCOME_SIZE + length);
    at += OUTCOME_SIZE + length;
    if ((kind & Kind.failure) === 0) {
      const answer = { kind: 'answer', message: body, noCache: (kind & Kind.notKept) !== 0, livesMs } as const;
      yield { id, resolved: extendedError === NO_CODE ? answer : { ...answer, extendedError } };
      continue;
    }
    const hasMessage = (kind & Kind.withMessage) !== 0;
    const reason = hasMessage ? 'aliases in a circle' : Buffer.from(body).toString('utf8');
    const failure: Resolved = { kind: 'failure', extendedError, reason, ours: (kind & Kind.ours) !== 0 };
    if (hasMessage) failure.message = body;
    if ((kind & Kind.bogus) !== 0) {
      failure.isBogus = true;
      if (livesMs !== Infinity) failure.bogusMs = livesMs;
    }
    yield { id, resolved: failure };
  }
}
