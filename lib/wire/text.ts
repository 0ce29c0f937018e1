// Fields of a zone file's line: blanks, quotes, escapes, parentheses, comments (RFC 1035 section 5.1).
import { optionError } from '../base/errors.js';

export interface Token {
  /** Without the quotes; escapes are still in it. */
  text: string;
  quoted: boolean;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION for a quote that is not closed */
export function tokenize(line: string): Token[] {
  const tokens: Token[] = [];
  let token: Token | undefined;
  let inQuotes = false;
  const end = (): void => {
    if (token !== undefined) tokens.push(token);
    token = undefined;
  };
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (c === '\\') {
      token ??= { text: '', quoted: false };
      token.text += line.slice(i, i + 2);
      i++;
    } else if (c === '"') {
      // A quote may stand behind a key: alpn="h2,h3".
      if (!inQuotes) token ??= { text: '', quoted: true };
      inQuotes = !inQuotes;
    } else if (inQuotes) {
      token!.text += c;
    } else if (c === ';') {
      const next = line.indexOf('\n', i);
      if (next < 0) break;
      i = next;
      end();
    } else if (/[\s()]/.test(c)) {
      end();
    } else {
      token ??= { text: '', quoted: false };
      token.text += c;
    }
  }
  if (inQuotes) throw optionError('data', line, 'each quote closed');
  end();
  return tokens;
}

/** Octets of a string with `\DDD` and `\X` escapes; other characters as UTF-8. */
export function unescape(text: string): number[] {
  const octets: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\') {
      const character = String.fromCodePoint(text.codePointAt(i)!);
      octets.push(...Buffer.from(character));
      i += character.length - 1;
      continue;
    }
    const digits = /^\d{3}/.exec(text.slice(i + 1, i + 4));
    if (digits !== null && Number(digits[0]) > 255) throw optionError('data', text, 'escapes up to \\255');
    octets.push(digits !== null ? Number(digits[0]) : text.charCodeAt(i + 1) & 0xff);
    i += digits !== null ? 3 : 1;
  }
  return octets;
}

const BASE64 = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Undefined for what is no base 64: Node passes over octets that are none. */
export function base64Octets(text: string): Uint8Array | undefined {
  return BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** A string in quotes, with escapes for what is not printable ASCII. */
export function quoted(octets: Uint8Array): string {
  return `"${escape(octets)}"`;
}
export function escape(octets: Uint8Array): string {
  let text = '';
  for (const c of octets) {
    if (c === 0x22 || c === 0x5c) text += `\\${String.fromCharCode(c)}`;
    else if (c < 32 || c > 126) text += `\\${String(c).padStart(3, '0')}`;
    else text += String.fromCharCode(c);
  }
  return text;
}
