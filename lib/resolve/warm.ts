// Fills a cache ahead of time: from a list of names, or from the names that a log shows most often.
import type { Clock } from '../base/clock.js';
import { optionError, ShardnsError, show } from '../base/errors.js';
import { Class, Flag, typeCode } from '../wire/iana.js';
import { encodeQuestion } from '../wire/message.js';
import { encodeName } from '../wire/name.js';
import { Query } from '../wire/query.js';
import type { Resolution } from './resolver.js';

/** `www.example.com`, `example.com MX`, or the same in parts. */
export type WarmName = string | { name: string; type: string };

export interface WarmOptions {
  /** Types asked for where a name comes without one. */
  types?: readonly string[];
  /** Questions begun a second, at most. */
  perSecond?: number;
  /** Questions under way at the same time, at most. */
  concurrency?: number;
  signal?: AbortSignal;
  onProgress?: (progress: WarmProgress) => void;
}
export interface WarmProgress {
  /** Questions asked for. */
  total: number;
  /** Of these, answered or failed. */
  done: number;
  /** Failed, or not a name. */
  failed: number;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof WarmOptions>([
  'types',
  'perSecond',
  'concurrency',
  'signal',
  'onProgress',
]);

interface Question {
  name: string;
  type: number;
}

/**
 * Asks for names at a bounded rate. A name that fails is counted, and stops nothing; aborting ends it early.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION; what `onProgress` throws, which ends it too
 */
export async function warm(
  ask: (query: Query) => Promise<Resolution>,
  names: Iterable<WarmName>,
  options: WarmOptions,
  clock: Clock,
): Promise<WarmProgress> {
  if (typeof options !== 'object' || (options as unknown) === null) throw optionError('options', options, 'an object');
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) throw new ShardnsError('ERR_SHARDNS_OPTION', `${name}: is not an option of warm()`);
  }
  const { types = ['A', 'AAAA'], perSecond = 100, concurrency = 64, signal, onProgress } = options;
  checkCount('perSecond', perSecond, 1_000_000);
  checkCount('concurrency', concurrency, 1024);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw optionError('signal', signal, 'an AbortSignal');
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw optionError('onProgress', onProgress, 'a function');
  }
  if (!Array.isArray(types)) throw optionError('types', types, 'an array');
  const defaults = (types as readonly string[]).map(type => codeOf(type));
  // The letters of a string could be iterated too, and are names.
  if (typeof names === 'string' || !has(names, Symbol.iterator)) throw optionError('names', names, 'a list of names');
  const questions = [...names].flatMap(one => questionsOf(one, defaults));
  const progress: WarmProgress = { total: questions.length, done: 0, failed: 0 };
  const thrown: unknown[] = [];
  const end = (failed: boolean): void => {
    progress.done++;
    if (failed) progress.failed++;
    if (thrown.length > 0) return;
    try {
      onProgress?.({ ...progress });
    } catch (error) {
      thrown.push(error);
    }
  };
  const underWay = new Set<Promise<void>>();
  let next = clock.nowMs();
  for (const { name, type } of questions) {
    const wait = next - clock.nowMs();
    if (wait > 0) await new Promise<void>(resolve => clock.after(wait, resolve));
    next = Math.max(next, clock.nowMs()) + 1000 / perSecond;
    while (underWay.size >= concurrency) await Promise.race(underWay);
    if (signal?.aborted === true || thrown.length > 0) break;
    let query: Query;
    try {
      query = new Query(message(name, type));
    } catch {
      end(true); // what a log calls a name need not be one
      continue;
    }
    const asked = ask(query).then(
      resolution => end(resolution.kind === 'error'),
      () => end(true),
    );
    underWay.add(asked);
    void asked.finally(() => underWay.delete(asked));
  }
  await Promise.all(underWay);
  if (thrown.length > 0) throw thrown[0];
  return progress;
}

const DISTINCT = 1_000_000;

/**
 * The names that lines of a log ask for most often, with their types. Understands a name and perhaps a type on a line,
 * JSON with `name`, `qname` or `query` and `type` or `qtype`, and the query logs of Unbound, dnsmasq and BIND. Counts at
 * most a million different ones at a time: when there are more, the half that was seen less often is forgotten.
 * @param count how many, most often first
 * @param distinct how many different ones are counted at a time
 */
export async function topNames(
  lines: Iterable<string> | AsyncIterable<string>,
  count: number,
  distinct = DISTINCT,
): Promise<{ name: string; type: string }[]> {
  checkCount('count', count, DISTINCT);
  const read = has(lines, Symbol.iterator) || has(lines, Symbol.asyncIterator);
  if (typeof lines === 'string' || !read) throw optionError('lines', lines, 'a list or stream of lines');
  const counts = new Map<string, number>();
  for await (const line of lines) {
    if (typeof line !== 'string') throw optionError('lines', line, 'strings');
    const found = questionIn(line);
    if (found === undefined) continue;
    const key = `${found.name.toLowerCase().replace(/\.$/, '')} ${found.type.toUpperCase()}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (counts.size > distinct) keepFrequent(counts, Math.floor(distinct / 2));
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([key]) => {
      const [name, type] = key.split(' ');
      return { name, type };
    });
}

/**
 * Forgets the less frequent ones until at most `most` are left: a pass over all of them, but one only for each `most` names
 * that come new.
 */
function keepFrequent(counts: Map<string, number>, most: number): void {
  const bySeen = new Map<number, number>();
  for (const seen of counts.values()) bySeen.set(seen, (bySeen.get(seen) ?? 0) + 1);
  let left = counts.size;
  let least = 0;
  for (const [seen, names] of [...bySeen].sort(([a], [b]) => a - b)) {
    if (left <= most) break;
    left -= names;
    least = seen;
  }
  // Of those that were seen equally often as many stay as there is room for: the later ones.
  let room = most - left;
  const border: string[] = [];
  for (const [key, seen] of counts) {
    if (seen < least) counts.delete(key);
    else if (seen === least) border.push(key);
  }
  for (const key of border.reverse()) if (--room < 0) counts.delete(key);
}

const NAME = String.raw`([\w*-][\w.*-]*\.?)`;
const FORMS: readonly { pattern: RegExp; name: number; type?: number }[] = [
  { pattern: new RegExp(String.raw`query\[(\w+)\] ${NAME} from`), name: 2, type: 1 }, // dnsmasq
  { pattern: new RegExp(String.raw`query: ${NAME} IN (\w+)`), name: 1, type: 2 }, // BIND
  { pattern: new RegExp(String.raw`info: \S+ ${NAME} (\w+) IN`), name: 1, type: 2 }, // Unbound
  { pattern: new RegExp(String.raw`^${NAME}\s+(\w+)\s*$`), name: 1, type: 2 },
  { pattern: new RegExp(String.raw`^${NAME}\s*$`), name: 1 },
];
/** Longer lines are no log of questions. */
const MAX_LINE = 4096;

function questionIn(line: string): { name: string; type: string } | undefined {
  if (line.length > MAX_LINE) return undefined;
  if (line.startsWith('{')) {
    try {
      const entry = JSON.parse(line) as Record<string, unknown>;
      const name = entry.name ?? entry.qname ?? entry.query;
      const type = entry.type ?? entry.qtype ?? 'A';
      if (typeof name === 'string' && typeof type === 'string' && !/\s/.test(name + type)) return { name, type };
    } catch {
      // not JSON after all
    }
    return undefined;
  }
  for (const { pattern, name, type } of FORMS) {
    const match = pattern.exec(line);
    if (match === null) continue;
    const found = type === undefined ? 'A' : match[type];
    if (typeCode(found.toUpperCase()) !== undefined) return { name: match[name], type: found };
  }
  return undefined;
}

function questionsOf(one: WarmName, defaults: readonly number[]): Question[] {
  if (
    typeof one === 'object' &&
    (one as unknown) !== null &&
    typeof one.name === 'string' &&
    typeof one.type === 'string'
  ) {
    return [{ name: one.name, type: codeOf(one.type) }];
  }
  if (typeof one !== 'string') throw optionError('names', one, 'strings such as "example.com" or "example.com MX"');
  const [name, type] = one.trim().split(/\s+/);
  return type === undefined ? defaults.map(code => ({ name, type: code })) : [{ name, type: codeOf(type) }];
}

function has(value: unknown, method: symbol): boolean {
  return typeof (value as Record<symbol, unknown> | null | undefined)?.[method] === 'function';
}
function codeOf(type: string): number {
  const code = typeof type === 'string' ? typeCode(type.toUpperCase()) : undefined;
  if (code === undefined) throw optionError('type', type, 'a mnemonic such as AAAA or TYPE123');
  return code;
}
function checkCount(option: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `${option}: expected 1 to ${most}, got ${show(value)}`);
  }
}

function message(name: string, type: number): Uint8Array {
  const question = { name: encodeName(name), type, dnsClass: Class.IN };
  return encodeQuestion({ id: 0, flags: Flag.RD, question });
}
