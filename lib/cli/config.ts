// Options from a YAML file, the environment and flags; flags win. Each complaint names where it comes from.
import { createRequire } from 'node:module';
import { show, ShardnsError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { readRegularFile } from '../base/regular-file.js';
import { checkOptions, formatPath, type OptionIssue, type ServerOptions } from '../server/settings/settings.js';

/** Most servers have no file, and the parser is 36 ms of a start. */
const yaml = lazy(() => createRequire(import.meta.url)('yaml') as typeof import('yaml'));

/** The largest configuration file that is read: 100,000 local zones and as many records, which options take, fit. */
const MAX_CONFIG_BYTES = 16 << 20;

export interface ConfigProblem {
  /** 1-based; 0 = no line, as for a flag. */
  line: number;
  text: string;
}

export interface Flags {
  listen?: string[];
  upstream?: string[];
  bootstrap?: string[];
  threads?: string;
  memory?: string;
  policy?: string;
  config?: string;
  metrics?: string;
  snapshot?: string;
  warm?: string;
  recursive?: boolean;
  'log-level'?: string;
}

/** Parses and checks the text of a configuration file. Never throws for what is in the text. */
export function checkConfig(text: string): { options: ServerOptions } | { problems: ConfigProblem[] } {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    return {
      problems: document.errors.slice(0, 20).map(error => ({
        line: lines.linePos(error.pos[0]).line,
        text: `not YAML: ${error.message}`,
      })),
    };
  }
  let options: unknown;
  try {
    // Aliases are bounded: ten lines of them can make a billion values.
    options = document.toJS({ maxAliasCount: 32 }) ?? {};
  } catch (error) {
    return { problems: [{ line: 1, text: `not a configuration: ${(error as Error).message}` }] };
  }
  if (typeof options !== 'object' || Array.isArray(options)) {
    return { problems: [{ line: 1, text: `expected keys and values, got ${show(options)}` }] };
  }
  const result = checkOptions(options);
  if ('settings' in result) return { options: options as ServerOptions };
  const lineOf = (issue: OptionIssue): number => {
    for (let depth = issue.path.length; depth > 0; depth--) {
      const node = document.getIn(issue.path.slice(0, depth), true) as { range?: [number, number, number] } | undefined;
      if (node?.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  return {
    problems: result.issues.map(issue => ({
      line: lineOf(issue),
      text: `${formatPath(issue.path)}: ${issue.message}, got ${show(issue.value)}`,
    })),
  };
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION for a file that cannot be read, is too large or no regular file */
export function readConfigText(path: string): string {
  try {
    return readRegularFile(path, MAX_CONFIG_BYTES).text;
  } catch (cause) {
    throw new ShardnsError('ERR_SHARDNS_OPTION', (cause as Error).message, { cause });
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION with one line a problem */
export function readConfigFile(path: string): ServerOptions {
  const result = checkConfig(readConfigText(path));
  if ('options' in result) return result.options;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    result.problems.map(problem => `${path}:${problem.line}: ${problem.text}`).join('\n'),
  );
}

/**
 * SHARDNS_LISTEN, SHARDNS_UPSTREAM (comma-separated), SHARDNS_THREADS, ...: the same names as the flags. One that is empty
 * is not set: that is how container tools hand on variables that nobody has set.
 * @throws {ShardnsError} ERR_SHARDNS_OPTION for a switch that is neither on nor off
 */
export function flagsFromEnvironment(environment: NodeJS.ProcessEnv): Flags {
  const read = (name: string): string | undefined => {
    const text = environment[name]?.trim();
    return text === '' ? undefined : text;
  };
  const list = (name: string): string[] | undefined =>
    read(name)
      ?.split(',')
      .map(item => item.trim())
      .filter(item => item !== '');
  return {
    listen: list('SHARDNS_LISTEN'),
    upstream: list('SHARDNS_UPSTREAM'),
    bootstrap: list('SHARDNS_BOOTSTRAP'),
    threads: read('SHARDNS_THREADS'),
    memory: read('SHARDNS_MEMORY'),
    policy: read('SHARDNS_POLICY'),
    config: read('SHARDNS_CONFIG'),
    metrics: read('SHARDNS_METRICS'),
    snapshot: read('SHARDNS_SNAPSHOT'),
    warm: read('SHARDNS_WARM'),
    recursive: flagOf('SHARDNS_RECURSIVE', read('SHARDNS_RECURSIVE')),
    'log-level': read('SHARDNS_LOG_LEVEL'),
  };
}

/** Variables of other commands: of `ctl`, and of `build`. */
const OTHER_VARIABLES = ['SHARDNS_CONTROL', 'SHARDNS_TOKEN', 'SHARDNS_NODEDIR'];
/** Kubernetes sets these for a Service that is called shardns. */
const OF_A_SERVICE = /^SHARDNS_(SERVICE_|PORT(_|$))/;

/** Variables that look like ours and are not read: SHARDNS_UPSTREAMS, and the servers would be those of resolv.conf. */
export function strangeVariables(environment: NodeJS.ProcessEnv): string[] {
  const known = new Set(OTHER_VARIABLES);
  const noting = new Proxy<NodeJS.ProcessEnv>({}, { get: (_, name) => void known.add(String(name)) });
  flagsFromEnvironment(noting);
  return Object.keys(environment).filter(
    name => name.startsWith('SHARDNS_') && !known.has(name) && !OF_A_SERVICE.test(name),
  );
}

function flagOf(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new ShardnsError(
    'ERR_SHARDNS_OPTION',
    `${name}: expected 1, true, yes, on, 0, false, no or off, got ${show(text)}`,
  );
}

/** Lays flags over options. Validation comes later, over the whole. */
export function applyFlags(options: ServerOptions, flags: Flags): ServerOptions {
  const merged = { ...options } as Record<string, unknown>;
  const inside = (section: string, key: string, value: unknown): void => {
    merged[section] = { ...(merged[section] as object | undefined), [key]: value };
  };
  if (flags.listen !== undefined && flags.listen.length > 0) merged.listen = flags.listen;
  if (flags.upstream !== undefined && flags.upstream.length > 0) merged.upstreams = flags.upstream;
  if (flags.bootstrap !== undefined && flags.bootstrap.length > 0) inside('upstream', 'bootstrap', flags.bootstrap);
  if (flags.threads !== undefined) merged.threads = /^\d+$/.test(flags.threads) ? Number(flags.threads) : flags.threads;
  if (flags.metrics !== undefined) {
    // The address alone: who may ask stays as the file says.
    if (typeof merged.metrics === 'object') inside('metrics', 'listen', flags.metrics);
    else merged.metrics = flags.metrics;
  }
  if (flags.memory !== undefined) inside('cache', 'memory', flags.memory);
  if (flags.policy !== undefined) inside('cache', 'policy', flags.policy);
  if (flags.snapshot !== undefined) inside('snapshot', 'file', flags.snapshot);
  if (flags.warm !== undefined) inside('warm', 'file', flags.warm);
  if (flags.recursive !== undefined) inside('resolver', 'recursive', flags.recursive);
  if (flags['log-level'] !== undefined) inside('log', 'level', flags['log-level']);
  return merged as ServerOptions;
}
