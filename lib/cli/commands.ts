// The command line: `shardns serve | warm | ctl | discover | check-config | check-zone | token | build`. Each command is
// loaded when it is the one.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { exhaustionOf, ShardnsError } from '../base/errors.js';
import { levelHeapGrowth } from './heap.js';
import { say } from './say.js';

const USAGE = `shardns: DNS answers at memory speed

  shardns serve [--listen ADDR:PORT]... [--upstream [udp://|tcp://]ADDR_OR_NAME[:PORT]]... [--bootstrap ADDR:PORT]...
                [--threads N] [--memory 64MiB] [--policy s3fifo|lru|lfu|2q] [--config FILE] [--metrics ADDR:PORT]
                [--log-level LEVEL] [--snapshot FILE] [--warm FILE] [--recursive]
  shardns serve --demo [--for 10s] [--recursive]
                                       an embedded upstream, or a small internet; a realistic load, a live view; needs
                                       no network
  shardns ctl status | stats           how the server is; every number that it counts
  shardns ctl flush NAME | --suffix NAME | --tenant N | --all [--fleet]
                                       forgets answers, at once; in all instances that share the second level
  shardns ctl peek NAME [TYPE] [--tenant N]
                                       what is kept for a question; exit 1 for nothing
  shardns ctl dump [--suffix NAME] [--type TYPE] [--tenant N]
                                       a line for each entry
  shardns ctl trace NAME [TYPE] [--fresh] [--server ADDR:PORT]
                                       every step of a resolution, also by the server whose --metrics are there;
                                       SHARDNS_TOKEN: its metrics.token
  shardns ctl why NAME [--client ADDR] [--type T]  which list blocks or allows it, or its cached answer
  shardns ctl block | allow | unlist NAME
                                       a name and all below, before all lists, until the server ends; takes that back
  shardns ctl zones [reload [NAME] | check NAME | export NAME [--view VIEW] | notify NAME | refresh NAME | retransfer NAME]
                                       the zones that are served; reads their files again; whether a file is good;
                                       a zone as a file
  shardns ctl pause MINUTES            blocks nothing for so long; 0 ends it
  shardns ctl log [--client ADDR] [--name NAME] [--type TYPE] [--rcode RCODE] [--by HOW] [--uncached] [--slower MS]
                [--before N] [--limit N]
                                       the last queries that are logged (queryLog.enabled)
  shardns ctl top [miss|hit|nxdomain|slow [name|client|type|upstream]] [--limit N] [--current]
                                       by what most queries came in the last minute (top.enabled)
                [--socket PATH] [--json]
                                       all by the control socket of a server of this user (SHARDNS_CONTROL)
  shardns anchors [--update] [--file FILE] [--socket PATH] [--json]
                                       trust anchors, their states, and when the keys of their zones are looked at
                                       (RFC 5011), of the server, as ctl anchors, or of the file of its
                                       dnssec.anchorFile; --update has it look now; exit 1 where something is wrong
  shardns discover NAME [--watch] [--records srv|svcb|https|dns-sd|address] [--port N] [--server ADDR:PORT]... [--secure]
                [--json]               endpoints of a service, such as _http._tcp.orders.example.com, once or as they
                                       change; exit 1 where there is none
  shardns token FILE --scope read|flush|write [--name NAME]
                                       draws a token for the control API, shows it once, and adds its hash to FILE
                                       (api.tokens)
  shardns warm FILE --to s3://BUCKET/PREFIX [--top N] [--per-second N] [--region R] [--endpoint URL]
                [--config FILE] [--upstream ...]... [--recursive] [--memory 64MiB]
                                       asks for the most frequent names of a list or a query log, - for standard
                                       input, and sends a snapshot of the answers; exit 1 where it could not
  shardns check-config FILE            exit 0 when the file is good, else 1 and what is wrong where
  shardns check-zone FILE [ORIGIN]     the same of a zone file, as a server of \`zones\` would take it
  shardns build                        compiles the addon where no prebuilt one fits
  shardns --version | --help

Without --upstream, those of /etc/resolv.conf, also when it changes; with --recursive, or where it names nobody but this
server, names are resolved from the root. --bootstrap: where names of upstreams are looked up; by default at those with
addresses. Environment (an empty variable is one not set): SHARDNS_LISTEN, SHARDNS_UPSTREAM, SHARDNS_BOOTSTRAP, SHARDNS_THREADS,
SHARDNS_MEMORY, SHARDNS_POLICY, SHARDNS_CONFIG, SHARDNS_METRICS, SHARDNS_LOG_LEVEL, SHARDNS_SNAPSHOT, SHARDNS_WARM,
SHARDNS_RECURSIVE.
Flags win over the environment, the environment over the file. SIGHUP reads the file again and keeps the cache; SIGTERM
drains, and saves the snapshot; SIGUSR1 logs a line of statistics; SIGUSR2 switches debug lines on and off. --warm FILE asks at the start for the names of a list, or of a query log's most frequent.
`;

class Usage extends Error {}

async function run(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  const asksForHelp = rest.some(one => one === '--help' || one === '-h');
  if (asksForHelp || command === undefined || command === '--help' || command === '-h' || command === 'help') {
    await say(USAGE);
    return command === undefined ? 1 : 0;
  }
  if (command === '--version' || command === 'version') {
    const manifest = new URL('../../package.json', import.meta.url);
    await say(`${(JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version}\n`);
    return 0;
  }
  if (command === 'check-config') {
    if (rest.length !== 1) throw new Usage('check-config takes one FILE');
    return (await import('./check-config.js')).checkFile(rest[0]);
  }
  if (command === 'check-zone') {
    if (rest.length < 1 || rest.length > 2) throw new Usage('check-zone takes FILE [ORIGIN]');
    return (await import('./check-zone.js')).checkZoneFile(rest[0], rest[1]);
  }
  if (command === 'build') return (await import('./build.js')).build();
  if (command === 'warm') return runWarm(rest);
  if (command === 'ctl') return runCtl(rest);
  if (command === 'discover') return runDiscover(rest);
  if (command === 'anchors') return runAnchors(rest);
  if (command === 'token') return runToken(rest);
  if (command === 'serve') {
    const { values } = parse(rest);
    if (values.for !== undefined && !values.demo) throw new Usage('--for goes with --demo');
    if (values.demo && (values.upstream !== undefined || values.config !== undefined)) {
      throw new Usage('--demo has an upstream and a configuration of its own: without --upstream and --config');
    }
    levelHeapGrowth();
    if (values.demo) {
      const { demo } = await import('./demo.js');
      await demo({ ...values, forMs: values.for === undefined ? undefined : parseDuration(values.for) });
    } else await (await import('./serve.js')).serve(values);
    return 0;
  }
  throw new Usage(`unknown command ${JSON.stringify(command)}`);
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        listen: { type: 'string', multiple: true },
        upstream: { type: 'string', multiple: true },
        bootstrap: { type: 'string', multiple: true },
        threads: { type: 'string' },
        memory: { type: 'string' },
        policy: { type: 'string' },
        config: { type: 'string' },
        metrics: { type: 'string' },
        snapshot: { type: 'string' },
        warm: { type: 'string' },
        'log-level': { type: 'string' },
        recursive: { type: 'boolean' },
        demo: { type: 'boolean' },
        for: { type: 'string' },
      },
    });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
}

async function runWarm(args: string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        to: { type: 'string' },
        top: { type: 'string' },
        'per-second': { type: 'string' },
        region: { type: 'string' },
        endpoint: { type: 'string' },
        config: { type: 'string' },
        upstream: { type: 'string', multiple: true },
        bootstrap: { type: 'string', multiple: true },
        recursive: { type: 'boolean' },
        memory: { type: 'string' },
        'log-level': { type: 'string' },
      },
    });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { positionals, values } = parsed;
  if (positionals.length !== 1 || values.to === undefined)
    throw new Usage('warm takes one FILE, and --to s3://BUCKET/PREFIX');
  return (await import('./warm.js')).warmUp(positionals[0], values);
}

async function runCtl(args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (
    verb === undefined ||
    !/^(status|stats|flush|peek|dump|trace|why|block|allow|unlist|pause|anchors|zones|log|top)$/.test(verb)
  ) {
    throw new Usage(
      `ctl: expected status, stats, flush, peek, dump, trace, why, block, allow, unlist, pause, anchors, zones, log or top, got ${JSON.stringify(verb ?? '')}`,
    );
  }
  let parsed;
  try {
    parsed = parseArgs({
      args: rest,
      allowPositionals: true,
      options: {
        server: { type: 'string' },
        socket: { type: 'string' },
        suffix: { type: 'string' },
        tenant: { type: 'string' },
        type: { type: 'string' },
        fresh: { type: 'boolean' },
        all: { type: 'boolean' },
        fleet: { type: 'boolean' },
        json: { type: 'boolean' },
        client: { type: 'string' },
        update: { type: 'boolean' },
        view: { type: 'string' },
        name: { type: 'string' },
        rcode: { type: 'string' },
        by: { type: 'string' },
        uncached: { type: 'boolean' },
        slower: { type: 'string' },
        before: { type: 'string' },
        limit: { type: 'string' },
        current: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { ctl } = await import('./ctl.js');
  const done = ctl(verb, parsed.positionals, parsed.values);
  if (done !== undefined) return done;
  const words = parsed.positionals.map(word => JSON.stringify(word)).join(' ');
  if (verb === 'flush') throw new Usage('ctl flush: expected one of NAME, --suffix NAME, --tenant N and --all');
  if (verb === 'peek' || verb === 'trace') throw new Usage(`ctl ${verb}: expected NAME [TYPE], got ${words || 'none'}`);
  throw new Usage(`ctl ${verb} does not take ${words}`);
}

async function runAnchors(args: string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      options: {
        file: { type: 'string' },
        socket: { type: 'string' },
        update: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { file, ...flags } = parsed.values;
  if (file === undefined) return (await import('./ctl.js')).ctl('anchors', [], flags)!;
  if (flags.update === true || flags.socket !== undefined) {
    throw new Usage('anchors: --file shows what the file has; --update and --socket ask the server that writes it');
  }
  return (await import('./anchors-file.js')).showFile(file, flags.json === true);
}

async function runDiscover(args: string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        server: { type: 'string', multiple: true },
        records: { type: 'string' },
        port: { type: 'string' },
        watch: { type: 'boolean' },
        json: { type: 'boolean' },
        secure: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { positionals, values } = parsed;
  if (positionals.length !== 1) throw new Usage('discover takes the NAME of a service');
  return (await import('./discover.js')).runDiscover(positionals[0], values);
}

async function runToken(args: string[]): Promise<number> {
  let parsed;
  try {
    const options = { scope: { type: 'string' }, name: { type: 'string' } } as const;
    parsed = parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { positionals, values } = parsed;
  if (positionals.length !== 1 || values.scope === undefined) throw new Usage('token: expected FILE and --scope');
  return (await import('./token.js')).drawToken(positionals[0], values.scope, values.name);
}

function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  if (match === null || Number(match[1]) === 0)
    throw new Usage(`--for: expected a time such as 10s or 2m, got ${JSON.stringify(text)}`);
  return Number(match[1]) * { ms: 1, s: 1000, m: 60_000 }[match[2] ?? 's']!;
}

run(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof Usage) process.stderr.write(`shardns: ${error.message}; see shardns --help\n`);
    else if (error instanceof ShardnsError) {
      const lines = [error.message, exhaustionOf(error)].filter(one => one !== undefined);
      process.stderr.write(`shardns: ${lines.join('; ')}\n`);
    } else if (exhaustionOf(error) !== undefined) process.stderr.write(`shardns: ${exhaustionOf(error)}\n`);
    else process.stderr.write(`shardns: ${(error as Error).stack}\n`);
    process.exit(1);
  },
);
