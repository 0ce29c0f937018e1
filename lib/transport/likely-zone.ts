// The zone that a name most likely lies in, for those who divide something between zones before they know any: wrong guesses
// put names together that have nothing in common, or apart that have, and do no other harm.
import { HEADER_SIZE } from '../wire/iana.js';
import { foldedOctet } from '../wire/name.js';

/** Labels of a zone: two, three where the second is as short as in `co.uk`; what one network has in the reverse tree. */
const LABELS = { usual: 2, short: 3, reverse4: 4, reverse6: 10 };
const SHORT_LABEL = 3;

/** @param query a message with a question of a name without pointers. @returns folded octets as text, never empty */
export function likelyZone(query: Uint8Array): string {
  const starts: number[] = [];
  let end = HEADER_SIZE;
  for (; query[end] > 0; end += 1 + query[end]) starts.push(end);
  const first = starts.at(-labelsOf(query, starts)) ?? HEADER_SIZE;
  let text = '';
  for (let at = first; at <= end; at++) text += String.fromCharCode(foldedOctet(query[at]));
  return text;
}

function labelsOf(query: Uint8Array, starts: readonly number[]): number {
  const top = starts.at(-1);
  const second = starts.at(-2);
  if (top === undefined || second === undefined) return LABELS.usual;
  if (isLabel(query, top, 'arpa')) return isLabel(query, second, 'ip6') ? LABELS.reverse6 : LABELS.reverse4;
  return query[second] <= SHORT_LABEL ? LABELS.short : LABELS.usual;
}

function isLabel(query: Uint8Array, at: number, label: string): boolean {
  if (query[at] !== label.length) return false;
  for (let i = 0; i < label.length; i++) if (foldedOctet(query[at + 1 + i]) !== label.charCodeAt(i)) return false;
  return true;
}
