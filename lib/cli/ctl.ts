// `shardns ctl`: asks a running server by its control socket, a trace also by the address of its metrics, and shows what it
// says: for people, or as it came with --json.
import { existsSync } from 'node:fs';
import { type IncomingMessage, request, type RequestOptions } from 'node:http';
import { parseSocketAddress } from '../base/address.js';
import { optionError, ShardnsError, show } from '../base/errors.js';
import { zonesCallOf } from './zones-text.js';
import { anchorsStatus, anchorsText } from './anchors-text.js';
import { VERBS } from './command-table.js';
import { flagsFromEnvironment } from './config.js';
import { defaultControlPath } from './control-path.js';
import { mirrorText } from './mirror-text.js';
import { say } from './say.js';
import { statusText } from './status-text.js';
import { logCallOf, topCallOf, type WatchFlags } from './watch-text.js';
import { whyText } from './why-text.js';

export interface CtlFlags extends WatchFlags {
  socket?: string;
  server?: string;
  fresh?: boolean;
  json?: boolean;
  suffix?: string;
  tenant?: string;
  all?: boolean;
  fleet?: boolean;
  update?: boolean;
  view?: string;
  seconds?: string;
}

/** What a verb needs: asked of the socket, shown, and what the process ends with. */
interface Call {
  method: 'GET' | 'POST';
  path: string;
  body?: object;
  /** A line of the response, or all of it where `whole`, to text. */
  show(text: string): string;
  whole: boolean;
  /** The exit status; by all that was shown, or by each line of it: the last one that is not 0 counts. */
  status?(text: string): number;
  /** How long nothing may come, where that is longer than for others. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
const DEFAULT_SERVER = '127.0.0.1:9153';

/** What each verb takes, beside --socket. */
const FLAGS: Readonly<Record<string, readonly (keyof CtlFlags)[]>> = VERBS;

/**
 * `shardns ctl VERB ...`. @returns the exit status, or undefined for words that are no such verb
 * @throws {ShardnsError} ERR_SHARDNS_OPTION for a flag of another verb: passed over, it would be taken for obeyed
 */
export function ctl(verb: string, words: readonly string[], flags: CtlFlags): Promise<number> | undefined {
  const other = Object.keys(flags).find(one => one !== 'socket' && !FLAGS[verb]?.includes(one as keyof CtlFlags));
  if (other !== undefined) {
    const taken = ['socket', ...(FLAGS[verb] ?? [])].map(one => `--${one}`).join(', ');
    throw new ShardnsError('ERR_SHARDNS_OPTION', `ctl ${verb} does not take --${other}: expected ${taken}`);
  }
  if (verb === 'trace' && words.length >= 1 && words.length <= 2) return trace(words[0], words[1] ?? 'A', flags);
  const call = callOf(verb, words, flags);
  return call && perform(call, { socketPath: socketOf(flags) }, flags.json === true);
}

function callOf(verb: string, words: readonly string[], flags: CtlFlags): Call | undefined {
  const { suffix, tenant, type, all } = flags;
  const stats = { method: 'GET', path: '/v1/stats', whole: true } as const;
  if (verb === 'status' && words.length === 0) return { ...stats, show: statusText };
  if (verb === 'stats' && words.length === 0) return { ...stats, show: statsText };
  if (verb === 'flush') {
    const chosen = [words.length > 0, suffix !== undefined, tenant !== undefined, all === true];
    if (chosen.filter(Boolean).length !== 1 || words.length > 1) return undefined;
    const [name] = words;
    const what = all
      ? { all }
      : name !== undefined
        ? { name }
        : suffix !== undefined
          ? { suffix }
          : tenantBody(tenant!);
    const body = flags.fleet === true ? { ...what, fleet: true } : what;
    return { method: 'POST', path: '/v1/cache/invalidate', body, whole: true, show: forgottenText };
  }
  if (verb === 'peek' && words.length >= 1 && words.length <= 2) {
    const query = parameters({ name: words[0], type: words[1] ?? 'A', tenant });
    const found = (text: string): number => ((JSON.parse(text) as Entries).entries.length > 0 ? 0 : 1);
    return { method: 'GET', path: `/v1/cache/entry?${query}`, show: entriesText, whole: true, status: found };
  }
  if (verb === 'why' && words.length === 1) {
    const query = parameters({ name: words[0], client: flags.client, type });
    return { method: 'GET', path: `/v1/lists/why?${query}`, show: whyText, whole: true };
  }
  if ((verb === 'block' || verb === 'allow' || verb === 'unlist') && words.length === 1) {
    const body = { name: words[0], says: verb === 'unlist' ? null : verb };
    return { method: 'POST', path: '/v1/lists/override', body, show: overrideText, whole: true };
  }
  if (verb === 'pause' && words.length === 1 && /^\d{1,5}(\.\d+)?$/.test(words[0])) {
    return {
      method: 'POST',
      path: '/v1/lists/pause',
      body: { minutes: Number(words[0]) },
      show: pauseText,
      whole: true,
    };
  }
  if (verb === 'anchors' && words.length === 0) {
    const shown = { show: anchorsText, whole: true, status: anchorsStatus };
    return flags.update === true
      ? { method: 'POST', path: '/v1/anchors/update', ...shown }
      : { method: 'GET', path: '/v1/anchors', ...shown };
  }
  if (verb === 'profile' && words.length === 1) return profileCall(words[0], flags.seconds ?? '10');
  if (verb === 'mirror' && words.length === 0)
    return { method: 'GET', path: '/v1/mirror', show: mirrorText, whole: true };
  if (verb === 'zones') return zonesCallOf(words, flags.view);
  if (verb === 'log' && words.length === 0) return logCallOf(flags);
  if (verb === 'top') return topCallOf(words, flags);
  if (verb === 'dump' && words.length === 0) {
    return { method: 'GET', path: `/v1/cache?${parameters({ suffix, type, tenant })}`, show: entryLine, whole: false };
  }
  return undefined;
}

function profileCall(kind: string, text: string): Call {
  const seconds = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(seconds)) throw optionError('--seconds', text, 'a number of seconds');
  const timeoutMs = TIMEOUT_MS + seconds * 1000;
  const body = { kind, seconds };
  return { method: 'POST', path: '/v1/profile', body, show: file => file, whole: true, timeoutMs };
}

function tenantBody(text: string): { tenant: number } {
  if (!/^\d{1,10}$/.test(text))
    throw new ShardnsError('ERR_SHARDNS_OPTION', `--tenant: expected a number, got ${show(text)}`);
  return { tenant: Number(text) };
}

function forgottenText(text: string): string {
  const { forgotten, fleet } = JSON.parse(text) as { forgotten: Record<string, unknown>; fleet?: boolean };
  const [[key, value]] = Object.entries(forgotten);
  const line = `forgotten: ${key === 'all' ? 'everything' : `${key} ${String(value)}`}`;
  if (fleet === undefined) return line;
  return `${line}; ${fleet ? 'the fleet has been told' : 'the fleet is told when Redis is there again'}`;
}

function overrideText(text: string): string {
  const { name, says, overrides } = JSON.parse(text) as { name: string; says: string | null; overrides: number };
  const what = says === null ? 'as the lists say' : says === 'block' ? 'blocked' : 'allowed';
  return `${name} and all below: ${what}, until the server ends (${overrides} such names)`;
}

function pauseText(text: string): string {
  const { pausedSeconds } = JSON.parse(text) as { pausedSeconds: number };
  return pausedSeconds === 0 ? 'blocking goes on' : `nothing is blocked for ${pausedSeconds} s`;
}

function parameters(values: Record<string, string | undefined>): string {
  const given = Object.entries(values).filter((one): one is [string, string] => one[1] !== undefined);
  return new URLSearchParams(given).toString();
}

/** Every step of a resolution as it happens. The exit status says whether it had an answer. */
function trace(name: string, type: string, flags: CtlFlags): Promise<number> {
  const query = parameters({ name, type, fresh: flags.fresh ? '1' : undefined });
  // Behind the steps; a name has a dot at its end.
  const status = (line: string): number => (/^SERVFAIL( |$)/.test(line) ? 1 : 0);
  const call = { method: 'GET', show: (line: string) => line, whole: false, status } as const;
  const { metrics } = flagsFromEnvironment(process.env);
  const socketPath = flags.socket ?? process.env.SHARDNS_CONTROL ?? existing();
  if (flags.server === undefined && metrics === undefined && socketPath !== undefined && socketPath !== '') {
    return perform({ ...call, path: `/v1/trace?${query}` }, { socketPath }, false);
  }
  // Not a flag: those are shown to everybody on the machine.
  const token = process.env.SHARDNS_TOKEN?.trim();
  const at = hostAndPort(flags.server ?? metrics ?? DEFAULT_SERVER);
  const headers = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
  return perform({ ...call, path: `/trace?${query}` }, { ...at, headers }, false);
}

/** Sockets of servers that nobody has told where to listen. */
function existing(): string | undefined {
  const uid = process.getuid?.();
  return ['/run/shardns/control.sock', defaultControlPath(process.env, uid)].find(
    path => path !== undefined && existsSync(path),
  );
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION where none is named and none is found */
export function socketOf(flags: Pick<CtlFlags, 'socket'>): string {
  const named = flags.socket ?? process.env.SHARDNS_CONTROL?.trim();
  if (named !== undefined && named !== '') return named;
  const path = existing();
  if (path !== undefined) return path;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    'no server has a control socket where one is looked for: --socket PATH names it (option `control` of the server)',
  );
}

function perform(call: Call, at: RequestOptions, raw: boolean): Promise<number> {
  const where = at.socketPath ?? `${at.host}:${at.port}`;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      if (cause instanceof ShardnsError) return reject(cause);
      const hint = at.socketPath === undefined ? 'with --metrics at this address' : 'of this user';
      const text = `${where}: ${causeText(cause)}; is the server there, ${hint}?`;
      reject(new ShardnsError('ERR_SHARDNS_UPSTREAM', text, { cause }));
    };
    const { method, path, timeoutMs: timeout = TIMEOUT_MS } = call;
    const asking = request({ ...at, method, path, timeout }, response => {
      shown(call, response, raw).then(resolve, fail);
    });
    asking.on('timeout', () => asking.destroy(new Error(`no answer for ${timeout / 1000} s`)));
    asking.on('error', fail);
    asking.end(body);
  });
}

async function shown(call: Call, response: IncomingMessage, raw: boolean): Promise<number> {
  response.setEncoding('utf8');
  if (response.statusCode !== 200) {
    const text = await textOf(response);
    process.stderr.write(`${problemText(text)}\n`);
    return 1;
  }
  if (call.whole) {
    const text = await textOf(response);
    await say(raw ? text : `${call.show(text).trimEnd()}\n`);
    return call.status?.(text) ?? 0;
  }
  let rest = '';
  let status = 0;
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    if (lines.length === 0) continue;
    for (const line of lines) status = call.status?.(line) || status;
    // Whoever reads may take their time, as a pager does: that is no silence of the server. (At its end there is no socket any more.)
    response.socket?.setTimeout(0);
    const wanted = await say(lines.map(line => `${raw ? line : call.show(line)}\n`).join(''));
    if (!wanted) break;
    response.socket?.setTimeout(TIMEOUT_MS);
  }
  return status;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response as AsyncIterable<string>) text += chunk;
  return text;
}

function problemText(text: string): string {
  try {
    return (JSON.parse(text) as { detail: string }).detail;
  } catch {
    return text.trimEnd();
  }
}

/** One number a line, under the path that it has in the report. */
function statsText(text: string): string {
  const lines: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
    } else lines.push(`${path} ${String(value)}`);
  };
  walk(JSON.parse(text), '');
  return lines.join('\n');
}

interface Entries {
  name: string;
  type: string;
  entries: {
    dnssecOk: boolean;
    checkingDisabled: boolean;
    rcode: string;
    remainingSeconds: number;
    ageSeconds: number;
    popularity: number;
    answers: string[];
    authorities: string[];
  }[];
}

function entriesText(text: string): string {
  const { name, type, entries } = JSON.parse(text) as Entries;
  if (entries.length === 0) return `${name} ${type} is not in the cache`;
  return entries
    .flatMap(one => {
      const form = [one.dnssecOk ? 'DO' : '', one.checkingDisabled ? 'CD' : ''].filter(Boolean).join(' ');
      const left =
        one.remainingSeconds < 0 ? `expired ${-one.remainingSeconds} s ago` : `${one.remainingSeconds} s left`;
      const head = `${name} ${type}${form === '' ? '' : ` (${form})`}: ${one.rcode}, ${left}, ${one.ageSeconds} s old`;
      return [head, ...[...one.answers, ...one.authorities].map(record => `  ${record}`)];
    })
    .join('\n');
}

function entryLine(text: string): string {
  const one = JSON.parse(text) as {
    name: string;
    type: string;
    tenant: number;
    dnssecOk: boolean;
    checkingDisabled: boolean;
    negative: boolean;
    failure: boolean;
    length: number;
    remainingSeconds: number;
  };
  const marks = [
    one.dnssecOk && 'DO',
    one.checkingDisabled && 'CD',
    one.failure ? 'failure' : one.negative && 'denial',
    one.tenant > 0 && `tenant ${one.tenant}`,
  ].filter(Boolean);
  return [one.name, Math.round(one.remainingSeconds), one.type, `${one.length} octets`, ...marks].join(' ');
}

/** An address, or a name that the system knows, with a port. */
function hostAndPort(text: string): { host: string; port: number } {
  const [, host, port] = /^([a-z0-9._-]*[a-z][a-z0-9._-]*):(\d{1,5})$/i.exec(text) ?? [];
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
  try {
    const { address, port } = parseSocketAddress(text, '--server');
    return { host: address, port };
  } catch {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `--server: expected HOST:PORT or [IPv6]:PORT, got ${show(text)}`);
  }
}

/** Of several addresses that all refused, what each said. */
function causeText(cause: Error): string {
  return cause instanceof AggregateError ? cause.errors.map(one => (one as Error).message).join(', ') : cause.message;
}
