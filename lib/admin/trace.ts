// What becomes of a question, as lines for people: when, how deep, what. In the order of the server: local data and built-in
// zones, then what is known, then a zone's servers, the root's or the upstreams. Names are escaped as everywhere. The hook is
// not asked (it may count, or sort clients), nor are views: a trace has no client.
//
// Where answers are validated, the chain of trust comes behind it (trace-chain.ts).
//
// Bounds: MAX_LINES lines of steps, MAX_ALIASES aliases of local data.
import { ShardnsError } from '../base/errors.js';
import { ResolutionError } from '../resolve/recurse/job.js';
import type { RecursionResult } from '../resolve/recurse/links.js';
import type { Recursor } from '../resolve/recurse/recursor.js';
import type { Server } from '../server/server.js';
import { headerRcode } from '../wire/flags.js';
import { Class, Flag, Rcode, rcodeName, Type, typeCode, typeName } from '../wire/iana.js';
import { decodeMessage, encodeQuestion, rcodeOf, type ResourceRecord } from '../wire/message.js';
import { encodeName, foldName, nameToText } from '../wire/name.js';
import { Query } from '../wire/query.js';
import type { Rrset } from '../wire/rrset.js';
import { recordText } from '../wire/record-text.js';
import { chainLines } from './trace-chain.js';
import { askUpstreams, type Step } from './trace-upstreams.js';

export interface TraceRequest {
  name: string;
  type: string;
  /** Ask the servers anew although the answer is in the cache. */
  fresh: boolean;
}

const MAX_LINES = 2000;
const MAX_ALIASES = 16;
/** What a translated address is shown to live for at most. */
const TRANSLATED_SECONDS = 600;

/**
 * Resolves a name and writes a line for each step.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what of the request is wrong, ERR_SHARDNS_MESSAGE for a text that is no name
 */
export async function trace(server: Server, request: TraceRequest, write: (line: string) => void): Promise<void> {
  const type = typeCode(request.type);
  if (type === undefined) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `type: expected a record type, got ${JSON.stringify(request.type)}`);
  }
  if (request.name === '') {
    throw new ShardnsError('ERR_SHARDNS_OPTION', 'name: expected a domain name ("." is the root), got ""');
  }
  const name = foldName(encodeName(request.name));
  const { fresh } = request;
  const began = performance.now();
  let steps = 0;
  const step: Step = ({ depth = 0, kind, text }) => {
    // One query of a client leads to at most a few hundred.
    if (++steps > MAX_LINES) return;
    const ms = (performance.now() - began).toFixed(1).padStart(8);
    write(`${ms} ms  ${'  '.repeat(depth)}${kind.padEnd(8)} ${text}`);
  };
  write(`${nameToText(name)} ${typeName(type)}`);
  if (fresh) await server.probeSignatures();
  try {
    const { rcode, records, result } = await translated(server, { name, type, fresh }, step);
    write(`${rcodeName(rcode)} after ${(performance.now() - began).toFixed(1)} ms`);
    for (const one of records) write(`  ${recordText(one)}`);
    if (result !== undefined) await writeChain(server, result, { fresh, failed: false }, write);
  } catch (error) {
    if (!(error instanceof ResolutionError)) throw error;
    write(`SERVFAIL (extended error ${error.extendedError}): ${error.message}`);
    if (error instanceof UnprovenError) await writeChain(server, error.found, { fresh, failed: true }, write);
  }
}

/** A question that the recursor was asked, and what there is: where it fails, what those get who ask with CD. */
interface Found {
  name: Uint8Array;
  type: number;
  result: RecursionResult;
}

/** A failure of which there is something to be shown. */
class UnprovenError extends ResolutionError {
  constructor(
    { message, extendedError }: ResolutionError,
    readonly found: Found,
  ) {
    super(message, extendedError);
  }
}

/** Why it is secure, or is not; nothing where nothing is validated. */
async function writeChain(
  { recursor }: Server,
  { name, type, result }: Found,
  { fresh, failed }: { fresh: boolean; failed: boolean },
  write: (line: string) => void,
): Promise<void> {
  const { rcode, answers, authority, unfiltered } = result;
  const judged = { rcode, answers: [...(unfiltered ?? answers)], authority };
  const chain = await recursor?.explain(name, type, judged, fresh);
  if (chain === undefined) return;
  for (const line of chainLines(chain, failed)) write(line);
  if (unfiltered === undefined) return;
  const count = (rrsets: readonly Rrset[]): number => rrsets.reduce((sum, one) => sum + one.data.length, 0);
  const gone = count(unfiltered) - count(answers);
  write(
    `filter: behind that resolver.privateAddresses takes ${gone} of ${count(unfiltered)} records out; clients are told the rest, without AD`,
  );
}

async function resolve(recursor: Recursor, name: Uint8Array, type: number, fresh: boolean, step: Step): Promise<Found> {
  try {
    return { name, type, result: await recursor.resolve(name, type, { fresh, trace: step }) };
  } catch (error) {
    if (!(error instanceof ResolutionError) || recursor.options.validation === undefined) throw error;
    let result: RecursionResult;
    try {
      result = await recursor.resolve(name, type, { checkingDisabled: true });
    } catch {
      throw error;
    }
    throw new UnprovenError(error, { name, type, result });
  }
}

interface Traced {
  rcode: number;
  records: Omit<ResourceRecord, 'dnsClass'>[];
  /** Of a recursor. */
  result?: Found;
}

/**
 * What clients are told, those with IPv6 alone too.
 * @throws {ResolutionError}
 */
async function translated(
  server: Server,
  { name, type, fresh }: { name: Uint8Array; type: number; fresh: boolean },
  step: Step,
): Promise<Traced> {
  const { dns64 } = server.resolver.options;
  const query = queryFor(name, type);
  const everybody = server.settings.dns64.clients.length === 0;
  if (dns64 !== undefined && !everybody && (type === Type.AAAA || type === Type.PTR)) {
    step({ kind: 'dns64', text: 'a trace has no client: those of dns64.clients are told translated addresses' });
  }
  const reverse = dns64?.reverseOf(query, 0);
  if (reverse !== undefined) {
    step({ kind: 'dns64', text: `${query.nameText} is ${nameToText(reverse)}, by translation (option dns64)` });
    return follow(server, reverse, type, fresh, step);
  }
  const found = await follow(server, name, type, fresh, step);
  if (dns64?.translates(query, 0) !== true || found.rcode !== Rcode.NOERROR) return found;
  if (found.records.some(one => one.type === Type.AAAA && !dns64.isExcluded(one.data))) return found;
  step({ kind: 'dns64', text: `${query.nameText} has no AAAA: its A records are translated (option dns64)` });
  const { rcode, records } = await follow(server, name, Type.A, fresh, step);
  const made = rcode === Rcode.NOERROR ? dns64.translatedAnswers(records, TRANSLATED_SECONDS) : undefined;
  return made === undefined ? found : { rcode, records: made };
}

/** @throws {ResolutionError} */
async function follow(server: Server, name: Uint8Array, type: number, fresh: boolean, step: Step): Promise<Traced> {
  const { local, addressRules } = server.resolver.options;
  const records: Traced['records'] = [];
  const told = (octets: Uint8Array): Traced => {
    const message = decodeMessage(octets);
    return { rcode: rcodeOf(message), records: [...records, ...message.answers, ...message.authorities] };
  };
  if (server.settings.views.length > 0) {
    step({ kind: 'view', text: 'a trace has no client: those of a view may be told otherwise' });
  }
  let query = queryFor(name, type);
  for (let aliases = 0; ; aliases++) {
    const own = local.find(query, 0);
    if (own === undefined) break;
    if (own.kind !== 'alias') {
      step({ kind: 'local', text: own.kind === 'refused' ? 'refused by a local zone' : 'answered by local data' });
      return told(own.message);
    }
    step({ kind: 'local', text: `${query.nameText} is ${nameToText(own.target)}, by local data` });
    if (aliases >= MAX_ALIASES) throw new ResolutionError(`more than ${MAX_ALIASES} local aliases`, 0);
    query = queryFor(own.target, type);
  }
  if (server.resolver.asksHook) {
    step({ kind: 'hook', text: 'onQuery is not asked: a trace has no client. What it decides comes before the rest' });
  }
  const builtIn = local.findBuiltIn(query, 0);
  if (builtIn !== undefined) {
    step({ kind: 'local', text: 'answered by a built-in zone (option localZones)' });
    return told(builtIn);
  }
  if (addressRules?.hidesAny === true) {
    step({ kind: 'filter', text: 'what follows is without the addresses of resolver.privateAddresses' });
  }
  const { recursor, engine } = server;
  // What clients are told meanwhile; the trace goes on.
  if (engine.answer(query.message, { counts: 'nothing' }) > 0 && headerRcode(engine.reply) === Rcode.SERVFAIL) {
    const left = engine.peek(query.name, type, {})?.remainingSeconds ?? 0;
    const seconds = Math.max(1, Math.ceil(left));
    step({
      kind: 'cache',
      text: `${query.nameText} ${typeName(type)}: failed not long ago; clients are told SERVFAIL for another ${seconds} s`,
    });
  }
  if (recursor?.serves(query.name, type) === true) {
    const found = await resolve(recursor, query.name, type, fresh, step);
    const { result } = found;
    const rrsets = [...result.answers, ...result.authority];
    const all = rrsets.flatMap(({ name, type, ttl, data }) => data.map(one => ({ name, type, ttl, data: one })));
    return { rcode: result.rcode, records: [...records, ...all], result: found };
  }
  const known = fresh ? undefined : engine.peek(query.name, type, {});
  if (known !== undefined && known.remainingSeconds > 0) {
    step({ kind: 'cache', text: `${query.nameText} ${typeName(type)}: known` });
    return told(known.message);
  }
  return told(await askUpstreams(server, query, step));
}

function queryFor(name: Uint8Array, type: number): Query {
  return new Query(encodeQuestion({ id: 0, flags: Flag.RD, question: { name, type, dnsClass: Class.IN } }));
}
