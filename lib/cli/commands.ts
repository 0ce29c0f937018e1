// The command line: what stands in the table of commands, each of which is loaded when it is the one.
import { readFileSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { exhaustionOf, ShardnsError } from '../base/errors.js';
import { OPTIONS, SHELLS, VERBS } from './command-table.js';
import { levelHeapGrowth } from './heap.js';
import { helpText } from './help.js';
import { say } from './say.js';

class Usage extends Error {}

async function run(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  const asksForHelp = rest.some(one => one === '--help' || one === '-h');
  if (asksForHelp || command === undefined || command === '--help' || command === '-h' || command === 'help') {
    await say(helpText());
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
    const { positionals, values } = parse(rest, OPTIONS['check-zone']);
    if (positionals.length < 1 || positionals.length > 2) throw new Usage('check-zone takes FILE [ORIGIN]');
    return (await import('./check-zone.js')).checkZoneFile(positionals[0], positionals[1], values.print);
  }
  if (command === 'build') return (await import('./build.js')).build();
  if (command === 'warm') return runWarm(rest);
  if (command === 'ctl') return runCtl(rest);
  if (command === 'discover') return runDiscover(rest);
  if (command === 'anchors') return runAnchors(rest);
  if (command === 'token') return runToken(rest);
  if (command === 'top') return (await import('./top.js')).runTop(parse(rest, OPTIONS.top, 0).values);
  if (command === 'completion') return runCompletion(rest);
  if (command === 'serve') {
    const { values } = parse(rest, OPTIONS.serve, 0);
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

/**
 * @param most words beside options; each command says how many it takes
 * @throws {Usage} for what the table does not have
 */
function parse<const T extends NonNullable<ParseArgsConfig['options']>>(args: string[], options: T, most = Infinity) {
  let parsed;
  try {
    parsed = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const extra: string | undefined = parsed.positionals[most];
  if (extra !== undefined) throw new Usage(`unexpected argument ${JSON.stringify(extra)}`);
  return parsed;
}

async function runWarm(args: string[]): Promise<number> {
  const { positionals, values } = parse(args, OPTIONS.warm);
  if (positionals.length !== 1 || values.to === undefined)
    throw new Usage('warm takes one FILE, and --to s3://BUCKET/PREFIX');
  return (await import('./warm.js')).warmUp(positionals[0], values);
}

async function runCtl(args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === undefined || !Object.hasOwn(VERBS, verb)) {
    const verbs = Object.keys(VERBS);
    const known = `${verbs.slice(0, -1).join(', ')} or ${verbs.at(-1)}`;
    throw new Usage(`ctl: expected ${known}, got ${JSON.stringify(verb ?? '')}`);
  }
  const { positionals, values } = parse(rest, OPTIONS.ctl);
  const { ctl } = await import('./ctl.js');
  const done = ctl(verb, positionals, values);
  if (done !== undefined) return done;
  const words = positionals.map(word => JSON.stringify(word)).join(' ');
  if (verb === 'flush') throw new Usage('ctl flush: expected one of NAME, --suffix NAME, --tenant N and --all');
  if (verb === 'peek' || verb === 'trace') throw new Usage(`ctl ${verb}: expected NAME [TYPE], got ${words || 'none'}`);
  throw new Usage(`ctl ${verb} does not take ${words}`);
}

async function runAnchors(args: string[]): Promise<number> {
  const { file, ...flags } = parse(args, OPTIONS.anchors, 0).values;
  if (file === undefined) return (await import('./ctl.js')).ctl('anchors', [], flags)!;
  if (flags.update === true || flags.socket !== undefined) {
    throw new Usage('anchors: --file shows what the file has; --update and --socket ask the server that writes it');
  }
  return (await import('./anchors-file.js')).showFile(file, flags.json === true);
}

async function runDiscover(args: string[]): Promise<number> {
  const { positionals, values } = parse(args, OPTIONS.discover);
  if (positionals.length !== 1) throw new Usage('discover takes the NAME of a service');
  return (await import('./discover.js')).runDiscover(positionals[0], values);
}

async function runToken(args: string[]): Promise<number> {
  const { positionals, values } = parse(args, OPTIONS.token);
  if (positionals.length !== 1 || values.scope === undefined) throw new Usage('token: expected FILE and --scope');
  return (await import('./token.js')).drawToken(positionals[0], values.scope, values.name);
}

async function runCompletion(args: string[]): Promise<number> {
  const { completionScript, isShell } = await import('./completion.js');
  const [shell, ...more] = args;
  if (shell === undefined || more.length > 0 || !isShell(shell)) {
    const got = args.map(word => JSON.stringify(word)).join(' ') || 'nothing';
    throw new Usage(`completion: expected one of ${SHELLS.join(', ')}, got ${got}`);
  }
  await say(completionScript(shell));
  return 0;
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
