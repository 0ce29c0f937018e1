// Why an answer is bogus, in words: for logs and traces, and for clients beside the extended error (RFC 8914 section 2).
import { typeName } from '../wire/iana.js';
import { nameToText } from '../wire/name.js';

const IS_BOGUS = ' is bogus: ';

export const bogusText = (name: Uint8Array, type: number, reason: string): string =>
  `${nameToText(name)} ${typeName(type)}${IS_BOGUS}${reason}`;

/** Octets of an extra text: kMaxErrorText of native/wire/edns.h. It goes before anything else where a reply is too long. */
export const MAX_EXTRA_TEXT = 128;
/** Of one that is longer, so much from its beginning: whose record it is. What failed stands at the end. */
const BEGINNING = 40;
const LEFT_OUT = '...';

/**
 * What a client is told of `bogusText`: the reason, in printable ASCII, as RFC 8914 wants no control characters; it has asked
 * for the name itself.
 */
export function extraTextOf(text: string): string {
  const at = text.indexOf(IS_BOGUS);
  const reason = at < 0 ? text : text.slice(at + IS_BOGUS.length);
  const printable = reason.replace(/[^ -~]/g, '?');
  if (printable.length <= MAX_EXTRA_TEXT) return printable;
  const end = MAX_EXTRA_TEXT - BEGINNING - LEFT_OUT.length;
  return `${printable.slice(0, BEGINNING)}${LEFT_OUT}${printable.slice(-end)}`;
}
