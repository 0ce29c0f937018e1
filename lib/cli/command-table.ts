// The commands and their options, once: what `parseArgs` takes, what `--help` shows, and what shells complete.

/** As `parseArgs` takes it, and what stands behind it. */
export interface OptionRow {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  /** What help calls its value. */
  readonly value?: string;
  /** All that it may be. */
  readonly values?: readonly string[];
  /** Its value is a file's path. */
  readonly file?: boolean;
}
type OptionRows = Readonly<Record<string, OptionRow>>;

const flag = { type: 'boolean' } as const;
const text = <const V extends string>(value: V) => ({ type: 'string', value }) as const;
const many = <const V extends string>(value: V) => ({ type: 'string', value, multiple: true }) as const;
const path = <const V extends string>(value: V) => ({ type: 'string', value, file: true }) as const;
const choice = <const V extends readonly string[]>(...values: V) => ({ type: 'string', values }) as const;

const POLICIES = ['s3fifo', 'lru', 'lfu', '2q'] as const;
const LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
const UPSTREAM = '[udp://|tcp://]ADDR_OR_NAME[:PORT]';

export const OPTIONS = {
  serve: {
    listen: many('ADDR:PORT'),
    upstream: many(UPSTREAM),
    bootstrap: many('ADDR:PORT'),
    threads: text('N'),
    memory: text('64MiB'),
    policy: choice(...POLICIES),
    config: path('FILE'),
    metrics: text('ADDR:PORT'),
    'log-level': choice(...LEVELS),
    snapshot: path('FILE'),
    warm: path('FILE'),
    recursive: flag,
    demo: flag,
    for: text('10s'),
  },
  ctl: {
    socket: path('PATH'),
    server: text('ADDR:PORT'),
    suffix: text('NAME'),
    tenant: text('N'),
    type: text('TYPE'),
    fresh: flag,
    all: flag,
    fleet: flag,
    json: flag,
    client: text('ADDR'),
    update: flag,
    view: text('VIEW'),
    seconds: text('N'),
    name: text('NAME'),
    rcode: text('RCODE'),
    by: text('HOW'),
    uncached: flag,
    slower: text('MS'),
    before: text('N'),
    limit: text('N'),
    current: flag,
  },
  anchors: { update: flag, file: path('FILE'), socket: path('PATH'), json: flag },
  discover: {
    watch: flag,
    records: choice('srv', 'svcb', 'https', 'dns-sd', 'address'),
    port: text('N'),
    server: many('ADDR:PORT'),
    secure: flag,
    json: flag,
  },
  top: { socket: path('PATH') },
  token: { scope: choice('read', 'flush', 'write'), name: text('NAME') },
  'check-zone': { print: flag },
  warm: {
    to: text('s3://BUCKET/PREFIX'),
    top: text('N'),
    'per-second': text('N'),
    region: text('R'),
    endpoint: text('URL'),
    config: path('FILE'),
    upstream: many(UPSTREAM),
    bootstrap: many('ADDR:PORT'),
    recursive: flag,
    memory: text('64MiB'),
    'log-level': choice(...LEVELS),
  },
} as const satisfies Record<string, OptionRows>;

/** Verbs of `ctl`, and what each takes beside `--socket`. */
export const VERBS = {
  status: ['json'],
  stats: ['json'],
  flush: ['suffix', 'tenant', 'all', 'fleet', 'json'],
  peek: ['tenant', 'json'],
  dump: ['suffix', 'type', 'tenant', 'json'],
  trace: ['fresh', 'server'],
  why: ['client', 'type', 'json'],
  block: ['json'],
  allow: ['json'],
  unlist: ['json'],
  pause: ['json'],
  anchors: ['update', 'json'],
  zones: ['view', 'json'],
  profile: ['seconds'],
  mirror: ['json'],
  log: ['client', 'name', 'type', 'rcode', 'by', 'uncached', 'slower', 'before', 'limit', 'json'],
  top: ['limit', 'current', 'json'],
} as const satisfies Readonly<Record<string, readonly (keyof typeof OPTIONS.ctl)[]>>;

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** What may stand first behind a command, where that is one of a few words. */
export const FIRST_WORDS: Readonly<Record<string, readonly string[]>> = {
  ctl: Object.keys(VERBS),
  completion: SHELLS,
};
/** Commands whose words are files. */
export const FILE_WORDS: readonly string[] = ['check-config', 'check-zone', 'token', 'warm'];

/** A line of help: a command, what it takes, and what it is for. */
export interface HelpRow {
  readonly command: string;
  /** What stands behind it, as people write it. */
  readonly words?: string;
  /** Options of the command that may follow. */
  readonly options?: readonly string[];
  readonly about?: string;
}

export const HELP: readonly HelpRow[] = [
  {
    command: 'serve',
    options: [
      ...['listen', 'upstream', 'bootstrap', 'threads', 'memory', 'policy', 'config', 'metrics', 'log-level'],
      ...['snapshot', 'warm', 'recursive'],
    ],
  },
  {
    command: 'serve',
    words: '--demo',
    options: ['for', 'recursive'],
    about: 'an embedded upstream, or a small internet; a realistic load, a live view; needs no network',
  },
  { command: 'ctl', words: 'status | stats', about: 'how the server is; every number that it counts' },
  {
    command: 'ctl',
    words: 'flush NAME | --suffix NAME | --tenant N | --all [--fleet]',
    about: 'forgets answers, at once; in all instances that share the second level',
  },
  {
    command: 'ctl',
    words: 'peek NAME [TYPE]',
    options: ['tenant'],
    about: 'what is kept for a question; exit 1 for nothing',
  },
  { command: 'ctl', words: 'dump', options: ['suffix', 'type', 'tenant'], about: 'a line for each entry' },
  {
    command: 'ctl',
    words: 'trace NAME [TYPE]',
    options: ['fresh', 'server'],
    about: 'every step of a resolution, also by the server whose --metrics are there; SHARDNS_TOKEN: its metrics.token',
  },
  {
    command: 'ctl',
    words: 'why NAME',
    options: ['client', 'type'],
    about: 'which list blocks or allows it, or its cached answer',
  },
  {
    command: 'ctl',
    words: 'block | allow | unlist NAME',
    about: 'a name and all below, before all lists, until the server ends; takes that back',
  },
  {
    command: 'ctl',
    words:
      'zones [reload [NAME] | check NAME | export NAME [--view VIEW] | notify NAME | refresh NAME | retransfer NAME]',
    about: 'the zones that are served; reads their files again; whether a file is good; a zone as a file',
  },
  { command: 'ctl', words: 'pause MINUTES', about: 'blocks nothing for so long; 0 ends it' },
  {
    command: 'ctl',
    words: 'log',
    options: ['client', 'name', 'type', 'rcode', 'by', 'uncached', 'slower', 'before', 'limit'],
    about: 'the last queries that are logged (queryLog.enabled)',
  },
  {
    command: 'ctl',
    words: 'top [miss|hit|nxdomain|slow [name|client|type|upstream]]',
    options: ['limit', 'current'],
    about: 'by what most queries came in the last minute (top.enabled)',
  },
  { command: 'ctl', words: 'mirror', about: 'what the server of `mirror` says to the same questions' },
  {
    command: 'ctl',
    words: 'profile cpu | allocations | heap',
    options: ['seconds'],
    about: 'where its time or memory goes, for the DevTools of Chromium: a file to standard output',
  },
  {
    command: 'ctl',
    words: 'VERB',
    options: ['socket', 'json'],
    about: 'all by the control socket of a server of this user (SHARDNS_CONTROL)',
  },
  {
    command: 'top',
    options: ['socket'],
    about: 'what a server does, each second, in a terminal; behind a pipe once; q ends it',
  },
  {
    command: 'anchors',
    options: ['update', 'file', 'socket', 'json'],
    about:
      'trust anchors, their states, and when the keys of their zones are looked at (RFC 5011), of the server, as ctl anchors, or of the file of its dnssec.anchorFile; --update has it look now; exit 1 where something is wrong',
  },
  {
    command: 'discover',
    words: 'NAME',
    options: ['watch', 'records', 'port', 'server', 'secure', 'json'],
    about:
      'endpoints of a service, such as _http._tcp.orders.example.com, once or as they change; exit 1 where there is none',
  },
  {
    command: 'token',
    words: 'FILE --scope read|flush|write',
    options: ['name'],
    about: 'draws a token for the control API, shows it once, and adds its hash to FILE (api.tokens)',
  },
  {
    command: 'warm',
    words: 'FILE --to s3://BUCKET/PREFIX',
    options: [
      ...['top', 'per-second', 'region', 'endpoint', 'config', 'upstream', 'bootstrap', 'recursive', 'memory'],
      'log-level',
    ],
    about:
      'asks for the most frequent names of a list or a query log, - for standard input, and sends a snapshot of the answers; exit 1 where it could not',
  },
  { command: 'check-config', words: 'FILE', about: 'exit 0 when the file is good, else 1 and what is wrong where' },
  {
    command: 'check-zone',
    words: 'FILE [ORIGIN]',
    options: ['print'],
    about:
      'the same of a zone file, as a server of `zones` would take it; --print writes its records, each in full on a line',
  },
  {
    command: 'completion',
    words: SHELLS.join(' | '),
    about: 'a script by which a shell completes these commands: `source <(shardns completion bash)`',
  },
  { command: 'build', about: 'compiles the addon where no prebuilt one fits' },
];

export const COMMANDS: readonly string[] = [...new Set(HELP.map(({ command }) => command))];

/** Of a command; none where it takes none. */
export function optionsOf(command: string): OptionRows {
  return Object.hasOwn(OPTIONS, command) ? OPTIONS[command as keyof typeof OPTIONS] : {};
}
