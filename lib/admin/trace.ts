// The steps of a resolution as lines for people: when, how deep, what. Names are escaped as everywhere.
import { ShardnsError } from '../base/errors.js';
import type { ResolutionError } from '../resolve/recurse/job.js';
import type { TraceEvent } from '../resolve/recurse/trace.js';
import type { Server } from '../server/server.js';
import { rcodeName, typeCode, typeName } from '../wire/iana.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import { decodeRdata } from '../wire/rdata.js';
import type { Rrset } from '../wire/rrset.js';

export interface TraceRequest {
  name: string;
  type: string;
  /** Ask the servers anew although the answer is in the cache. */
  fresh: boolean;
}

/**
 * Resolves a name and writes a line for each step.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what of the request is wrong, or that nothing is resolved here
 */
export async function trace(server: Server, request: TraceRequest, write: (line: string) => void): Promise<void> {
  const { recursor } = server;
  if (recursor === undefined) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', 'this server asks upstreams; there is no resolution to trace');
  }
  const type = typeCode(request.type);
  if (type === undefined) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `type: expected a record type, got ${JSON.stringify(request.type)}`);
  }
  const name = foldName(encodeName(request.name));
  const began = performance.now();
  let steps = 0;
  const show = ({ depth, kind, text }: TraceEvent): void => {
    // One query of a client leads to at most a few hundred.
    if (++steps > MAX_LINES) return;
    const ms = (performance.now() - began).toFixed(1).padStart(8);
    write(`${ms} ms  ${'  '.repeat(depth)}${kind.padEnd(8)} ${text}`);
  };
  write(`${nameToText(name)} ${typeName(type)}`);
  try {
    const result = await recursor.resolve(name, type, { fresh: request.fresh, trace: show });
    const ms = (performance.now() - began).toFixed(1);
    write(`${rcodeName(result.rcode)} after ${ms} ms`);
    for (const rrset of [...result.answers, ...result.authority]) for (const line of recordLines(rrset)) write(line);
  } catch (error) {
    if (!(error instanceof ShardnsError) || !('extendedError' in error)) throw error;
    const { message, extendedError } = error as ResolutionError;
    write(`SERVFAIL (extended error ${extendedError}): ${message}`);
  }
}

const MAX_LINES = 2000;

function recordLines(rrset: Rrset): string[] {
  return rrset.data.map(data => {
    let text: string;
    try {
      text = decodeRdata(rrset.type, data);
    } catch {
      text = `\\# ${data.length} ${Buffer.from(data).toString('hex')}`;
    }
    return `  ${nameToText(rrset.name)} ${rrset.ttl} ${typeName(rrset.type)} ${text}`;
  });
}
