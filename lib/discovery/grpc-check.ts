// gRPC's health protocol (grpc.health.v1, Health/Check): one call over a connection that is there, by node:http2 alone. A client
// of @grpc/grpc-js would bring a channel with names, balancing and back-off of its own for each look, and has to be
// installed; the messages have one field each.
//
// Bound: MAX_OCTETS of a response. How long it may take is the caller's affair: `stop`.
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { onAbort } from '../base/cancel.js';

const METHOD = '/grpc.health.v1.Health/Check';
const MAX_OCTETS = 1024;
/** Of a message of gRPC: whether it is compressed, and its length. */
const PREFIX = 5;
const SERVING = 1;

export interface GrpcQuestion {
  /** '': the server as a whole. */
  readonly service: string;
  /** Whose server it is, as it is told. */
  readonly authority: string;
  /** Whether the socket is one of TLS. */
  readonly secure: boolean;
}

/** HealthCheckRequest { string service = 1 } */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const field = name.length === 0 ? [] : [Buffer.from([0x0a, ...varint(name.length)]), name];
  const message = Buffer.concat(field);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);

/** @returns the status in a HealthCheckResponse { ServingStatus status = 1 }; undefined: it is none */
export function servingStatus(octets: Buffer): number | undefined {
  if (octets.length < PREFIX || octets[0] !== 0) return undefined;
  const end = PREFIX + octets.readUInt32BE(1);
  if (octets.length !== end) return undefined;
  let at = PREFIX;
  const number = (): number | undefined => {
    let value = 0;
    for (let shift = 0; shift < 70 && at < end; shift += 7) {
      const octet = octets[at++];
      value += (octet & 127) * 2 ** shift;
      if (octet < 128) return value;
    }
    return undefined;
  };
  let status = 0; // UNKNOWN: what a field is that is left out
  while (at < end) {
    const tag = number();
    if (tag === undefined) return undefined;
    const kind = tag & 7;
    if (kind === 0) {
      const value = number();
      if (value === undefined) return undefined;
      if (tag >>> 3 === 1) status = value;
      continue;
    }
    // Fields that are not known are passed over: of eight octets, of a length, of four.
    const length = kind === 1 ? 8 : kind === 2 ? number() : kind === 5 ? 4 : undefined;
    if (length === undefined) return undefined;
    at += length;
  }
  return at === end ? status : undefined;
}

/** Whether it says that it serves. A server without this service is none that does, as for Kubernetes' probes. Never rejects. */
export async function isServing(
  socket: Socket,
  { service, authority, secure }: GrpcQuestion,
  stop: AbortSignal,
): Promise<boolean> {
  const { connect } = await import('node:http2'); // for those alone who want it
  if (stop.aborted) return false;
  let session: ClientHttp2Session | undefined;
  let leave: (() => void) | undefined;
  try {
    return await new Promise<boolean>(resolve => {
      const no = (): void => resolve(false);
      leave = onAbort(stop, no);
      session = connect(`${secure ? 'https' : 'http'}://${authority}`, {
        createConnection: () => socket,
        settings: { enablePush: false },
        maxSessionMemory: 1,
      });
      session.on('error', no).on('close', no);
      const call = session.request({
        ':method': 'POST',
        ':path': METHOD,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let octets = 0;
      let grpcStatus: unknown;
      call
        .on('response', headers => {
          // A call that fails at once has its status in front.
          grpcStatus = headers['grpc-status'];
          if (headers[':status'] !== 200) no();
        })
        .on('trailers', (trailers: IncomingHttpHeaders) => {
          grpcStatus = trailers['grpc-status'] ?? grpcStatus;
        })
        .on('data', (chunk: Buffer) => {
          octets += chunk.length;
          if (octets > MAX_OCTETS) no();
          else chunks.push(chunk);
        })
        .on('error', no)
        .on('close', () => resolve(String(grpcStatus) === '0' && servingStatus(Buffer.concat(chunks)) === SERVING));
      call.end(healthRequest(service));
    });
  } catch {
    return false;
  } finally {
    leave?.();
    session?.destroy();
  }
}
