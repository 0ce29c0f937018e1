// Names by which resolvers tell which root keys they trust: the sentinel (RFC 8509), and the signal (RFC 8145 section 5).
import { Type } from '../wire/iana.js';
import { nameKey } from '../wire/name.js';

const SENTINEL = /^root-key-sentinel-(is|not)-ta-(\d{5})$/i;

/**
 * Whether a secure answer is to become SERVFAIL (RFC 8509 section 3.1). The caller leaves out questions with CD.
 * @param anchors key tags of the root's anchors
 */
export function failsSentinel(name: Uint8Array, type: number, anchors: readonly number[]): boolean {
  if (type !== Type.A && type !== Type.AAAA) return false;
  const match = SENTINEL.exec(nameKey(name.subarray(1, 1 + name[0])));
  return match !== null && anchors.includes(Number(match[2])) === (match[1].toLowerCase() === 'not');
}

/** `_ta-4f66-9728.`: key tags in ascending order, asked for with type NULL at the root. */
export const signalName = (tags: readonly number[]): string =>
  `_ta-${[...new Set(tags)]
    .sort((a, b) => a - b)
    .map(tag => tag.toString(16).padStart(4, '0'))
    .join('-')}.`;
