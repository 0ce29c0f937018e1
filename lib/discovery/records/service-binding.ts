// SVCB and HTTPS records as endpoints (RFC 9460): their mode, target, port, protocols and address hints.
import { formatAddress } from '../../base/address.js';
import { addressHints, alpnIds, readServiceBinding as readRecord, SvcParam } from '../../wire/svcb.js';
import { u16 } from './reading.js';

/** What is understood: a record with any other mandatory key (ECH is one) is passed over (section 8). */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  SvcParam.mandatory,
  SvcParam.alpn,
  SvcParam.noDefaultAlpn,
  SvcParam.port,
  SvcParam.ipv4hint,
  SvcParam.ipv6hint,
]);

export interface ServiceBinding {
  /** 0 is an alias of its target (section 2.4.2). */
  readonly priority: number;
  /** In wire format; the root stands for the owner itself, and of an alias for "not offered". */
  readonly target: Uint8Array;
  readonly port: number | undefined;
  readonly alpn: readonly string[];
  readonly hints: readonly string[];
}

/** @returns undefined for data that is malformed, and where something is mandatory that is not understood */
export function readServiceBinding(data: Uint8Array): ServiceBinding | undefined {
  const record = readRecord(data);
  if (record === undefined) return undefined;
  const { priority, target, params } = record;
  // The parameters of an alias say nothing (section 2.4.2).
  if (priority === 0) return { priority, target, port: undefined, alpn: [], hints: [] };
  const mandatory = params.get(SvcParam.mandatory) ?? new Uint8Array();
  for (let i = 0; i + 2 <= mandatory.length; i += 2) {
    const key = u16(mandatory, i);
    if (!UNDERSTOOD.has(key) || !params.has(key)) return undefined;
  }
  const portOctets = params.get(SvcParam.port);
  if (portOctets !== undefined && portOctets.length !== 2) return undefined;
  const port = portOctets && u16(portOctets, 0);
  const alpnOctets = params.get(SvcParam.alpn);
  const alpn = alpnOctets === undefined ? [] : alpnIds(alpnOctets);
  if (alpn === undefined) return undefined;
  return { priority, target, port, alpn, hints: addressHints(data).map(formatAddress) };
}
