// What getaddrinfo makes of a host's name before anybody is asked: punycode for what lies outside ASCII (IDNA, UTS 46),
// the old forms of IPv4 addresses (inet_aton(3)), and localhost (RFC 6761 section 6.3).
import { domainToASCII } from 'node:url';
import { formatAddress } from '../base/address.js';

const BEYOND_ASCII = /[^\0-\x7f]/;

/** The name as it is asked for; undefined where it has no form in ASCII. */
export function asciiName(hostname: string): string | undefined {
  if (!BEYOND_ASCII.test(hostname)) return hostname;
  return domainToASCII(hostname) || undefined;
}

/** Whether c-ares, which is behind Node's Resolver, would ask for a name in ASCII: anything else is EBADNAME there. */
export function isAskable(name: string): boolean {
  return /^[\w\-./*\\]*$/.test(name);
}

/**
 * Whether getaddrinfo would ask for a name in ASCII: letters, digits, hyphens, underscores and dots, not beginning with a
 * hyphen, as glibc's res_hnok has it. An address with a port, a URL or an IPv6 address in brackets is none; asked for
 * all the same, a search list or a wildcard could have an answer.
 */
export function isHostName(name: string): boolean {
  return /^[\w.][\w.-]*$/.test(name);
}

/**
 * The address that inet_aton(3) reads in `127.1`, `0x7f.0.0.1`, `0177.0.0.1` or `2130706433`: one to four numbers, octal
 * after 0, hexadecimal after 0x; the last fills what is left. Undefined where the text is none.
 */
export function oldAddress(text: string): string | undefined {
  const first = text.charCodeAt(0);
  if (first < 0x30 || first > 0x39) return undefined;
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  let value = 0;
  for (const [i, part] of parts.entries()) {
    const octal = /^0[0-7]+$/.test(part);
    if (!octal && !/^(0|[1-9]\d*|0x[\da-f]+)$/i.test(part)) return undefined;
    const number = octal ? Number.parseInt(part, 8) : Number(part);
    const octets = i === parts.length - 1 ? 4 - i : 1;
    if (number >= 256 ** octets) return undefined;
    value = value * 256 ** octets + number;
  }
  return formatAddress(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

/** Whether a name without dot at the end is localhost, or below it. */
export function isLocalhost(name: string): boolean {
  const { length } = name;
  if (length < 9 || (length > 9 && name.charCodeAt(length - 10) !== 0x2e)) return false;
  return name.slice(-9).toLowerCase() === 'localhost';
}

export const LOOPBACK = { v4: ['127.0.0.1'], v6: ['::1'] } as const;
