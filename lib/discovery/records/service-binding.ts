// SVCB and HTTPS records as endpoints (RFC 9460): their mode, target, port, protocols and address hints.
import { formatAddress } from '../../base/address.js';
import { addressHints } from '../../wire/svcb.js';
import { plainNameLength } from '../../wire/name.js';
import { u16 } from './reading.js';

const Key = { mandatory: 0, alpn: 1, noDefaultAlpn: 2, port: 3, ipv4hint: 4, ipv6hint: 6 } as const;
/** What is understood: a record with any other mandatory key (ECH is one) is passed over (section 8). */
const UNDERSTOOD: ReadonlySet<number> = new Set(Object.values(Key));

export interface ServiceBinding {
  /** 0 is an alias of its target (section 2.4.2). */
  readonly priority: number;
  /** In wire format; the root stands for the owner itself, and of an alias for "not offered". */
  readonly target: Uint8Array;
  readonly port: number | undefined;
  readonly alpn: readonly string[];
  readonly hints: readonly string[];
}

function alpnIds(value: Uint8Array): string[] {
  const ids: string[] = [];
  for (let at = 0; at < value.length; at += 1 + value[at]) {
    ids.push(Buffer.from(value.subarray(at + 1, at + 1 + value[at])).toString('latin1'));
  }
  return ids;
}

/** @returns undefined for data that is cut off, and where something is mandatory that is not understood */
export function readServiceBinding(data: Uint8Array): ServiceBinding | undefined {
  const name = data.length < 3 ? 0 : plainNameLength(data, 2);
  if (name === 0) return undefined;
  let port: number | undefined;
  let alpn: readonly string[] = [];
  let at = 2 + name;
  while (at < data.length) {
    if (at + 4 > data.length) return undefined;
    const key = u16(data, at);
    const value = data.subarray(at + 4, at + 4 + u16(data, at + 2));
    if (value.length !== u16(data, at + 2)) return undefined;
    if (key === Key.mandatory) {
      for (let i = 0; i + 2 <= value.length; i += 2) if (!UNDERSTOOD.has(u16(value, i))) return undefined;
    } else if (key === Key.port) {
      if (value.length !== 2) return undefined;
      port = u16(value, 0);
    } else if (key === Key.alpn) alpn = alpnIds(value);
    at += 4 + value.length;
  }
  const hints = addressHints(data).map(formatAddress);
  return { priority: u16(data, 0), target: data.slice(2, 2 + name), port, alpn, hints };
}
