// Messages for tests, made and read by dns-packet: another implementation, so an oracle for ours.
import dnsPacket from 'dns-packet';

export interface QueryShape {
  id?: number;
  type?: string;
  rd?: boolean;
  ad?: boolean;
  cd?: boolean;
  edns?: boolean;
  dnssecOk?: boolean;
  udpSize?: number;
  options?: { code: number; data: Buffer }[];
}

export function makeQuery(name: string, shape: QueryShape = {}): Buffer {
  const flags = (shape.rd === false ? 0 : 0x0100) | (shape.ad ? 0x20 : 0) | (shape.cd ? 0x10 : 0);
  const edns = shape.edns || shape.dnssecOk || shape.udpSize !== undefined || shape.options !== undefined;
  return Buffer.from(
    dnsPacket.encode({
      type: 'query',
      id: shape.id ?? 4660,
      flags,
      questions: [{ name, type: (shape.type ?? 'A') as 'A' }],
      additionals: edns
        ? [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: shape.udpSize ?? 1232,
              flags: shape.dnssecOk ? dnsPacket.DNSSEC_OK : 0,
              options: shape.options ?? [],
            } as unknown as dnsPacket.OptAnswer,
          ]
        : [],
    }),
  );
}

export type Records = Parameters<typeof dnsPacket.encode>[0]['answers'];

export interface ResponseShape {
  rcode?: number;
  answers?: Records;
  authorities?: Records;
  additionals?: Records;
  flags?: number;
}

/** A response to the query's octets: same id, same question in the same letters. */
export function makeResponse(query: Uint8Array, shape: ResponseShape): Buffer {
  const asked = Buffer.from(query);
  const decoded = dnsPacket.decode(asked);
  const response = Buffer.from(
    dnsPacket.encode({
      type: 'response',
      id: decoded.id,
      flags: 0x0180 | (shape.flags ?? 0) | (shape.rcode ?? 0),
      questions: decoded.questions,
      answers: shape.answers ?? [],
      authorities: shape.authorities ?? [],
      additionals: shape.additionals ?? [],
    }),
  );
  return response;
}

export const soa = (zone: string, ttl = 300, minimum = 60): NonNullable<Records>[number] => ({
  type: 'SOA',
  name: zone,
  ttl,
  data: { mname: `ns.${zone}`, rname: `admin.${zone}`, serial: 1, refresh: 3600, retry: 600, expire: 86400, minimum },
});

/** One A record for whatever is asked. */
export function answerA(query: Uint8Array, ttl = 300, address = '192.0.2.1'): Buffer {
  const name = dnsPacket.decode(Buffer.from(query)).questions![0].name;
  return makeResponse(query, { answers: [{ type: 'A', name, ttl, data: address }] });
}

export const decode = (octets: Uint8Array): dnsPacket.DecodedPacket => dnsPacket.decode(Buffer.from(octets));
export const rcodeOf = (octets: Uint8Array): number => octets[3] & 15;
export const flagsOf = (octets: Uint8Array): number => (octets[2] << 8) | octets[3];
export const ttlsOf = (octets: Uint8Array): number[] =>
  [...(decode(octets).answers ?? []), ...(decode(octets).authorities ?? [])].map(one => (one as { ttl: number }).ttl);

/** The extended errors in a message's OPT (RFC 8914). */
export const extendedErrorsOf = (octets: Uint8Array): number[] =>
  extendedErrorOptions(octets).map(data => data.readUInt16BE(0));
/** The same with their texts, each as `code text`. */
export const extendedTextsOf = (octets: Uint8Array): string[] =>
  extendedErrorOptions(octets).map(data => `${data.readUInt16BE(0)} ${data.toString('utf8', 2)}`);

function extendedErrorOptions(octets: Uint8Array): Buffer[] {
  const opt = decode(octets).additionals?.find(one => one.type === 'OPT') as
    { options: { code: number; data: Buffer }[] } | undefined;
  return (opt?.options ?? []).filter(option => option.code === 15).map(option => option.data);
}
