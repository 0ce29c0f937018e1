// Whether a response belongs to a query (RFC 5452 section 9.1), and the random letters that make it hard to guess.
import type { Random } from '../base/random.js';
import { headerRcode, isResponseTo } from '../wire/flags.js';
import { HEADER_SIZE, Rcode } from '../wire/iana.js';

/** How the letters of the question are compared. */
export type Letters = 'exact' | 'folded';

/** QR set, the same opcode, and the same question. */
export function matches(response: Uint8Array, query: Uint8Array, end: number, letters: Letters): boolean {
  if (!isResponseTo(response, query) || response[4] !== 0 || response[5] !== 1 || response.length < end) return false;
  const nameEnd = letters === 'folded' ? end - 4 : HEADER_SIZE;
  for (let i = HEADER_SIZE; i < end; i++) {
    if (response[i] === query[i]) continue;
    // Lengths of labels are below 64, so that only letters can differ in this bit alone.
    if (i >= nameEnd || (response[i] ^ query[i]) !== 0x20 || !isLetter(query[i])) return false;
  }
  return true;
}

/** FORMERR or NOTIMP, and nothing else: what servers say that could not, or would not, read the query. */
export function isBareError(response: Uint8Array, query: Uint8Array): boolean {
  const rcode = headerRcode(response);
  return (
    response.length === HEADER_SIZE &&
    isResponseTo(response, query) &&
    (response[4] | response[5]) === 0 &&
    (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP)
  );
}

function isLetter(octet: number): boolean {
  const folded = octet | 0x20;
  return folded >= 0x61 && folded <= 0x7a;
}

/** Flips the case of each letter of the question's name by chance (draft-vixie-dnsext-dns0x20); returns the letters. */
export function drawLetters(query: Uint8Array, end: number, random: Random): number {
  let letters = 0;
  let bits = 0;
  for (let at = HEADER_SIZE; at < end - 5;) {
    const next = at + 1 + query[at];
    for (let i = at + 1; i < next; i++) {
      const c = query[i] | 0x20;
      if (c < 0x61 || c > 0x7a) continue;
      if (letters % 32 === 0) bits = random.uint32();
      query[i] = bits & 1 ? c : c & ~0x20;
      bits >>>= 1;
      letters++;
    }
    at = next;
  }
  return letters;
}
