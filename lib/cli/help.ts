// What `shardns --help` shows, made of the table of commands.
import { HELP, type HelpRow, type OptionRow, optionsOf } from './command-table.js';

const WIDTH = 120;
const FORM_INDENT = 16;
const ABOUT_INDENT = 39;

/** `[--listen ADDR:PORT]...` */
function optionText(name: string, { multiple, value, values }: OptionRow): string {
  const behind = value ?? values?.join('|');
  return `[--${name}${behind === undefined ? '' : ` ${behind}`}]${multiple === true ? '...' : ''}`;
}

/** Pieces in lines of at most WIDTH, the second and those after it indented. */
function wrapped(first: string, pieces: readonly string[], indent: number): string[] {
  const lines = [first];
  for (const piece of pieces) {
    const last = lines.length - 1;
    const line = lines[last].trim() === '' ? lines[last] + piece : `${lines[last]} ${piece}`;
    if (line.length <= WIDTH) lines[last] = line;
    else lines.push(' '.repeat(indent) + piece);
  }
  return lines;
}

function rowText({ command, words = '', options = [], about }: HelpRow): string {
  const rows = optionsOf(command);
  const shown = options.map(name => optionText(name, rows[name]));
  const form = wrapped(`  shardns ${command}`, [...words.split(' ').filter(Boolean), ...shown], FORM_INDENT);
  if (about === undefined) return form.join('\n');
  const beside = form.length === 1 && form[0].length < ABOUT_INDENT - 1;
  const start = beside ? form.pop()!.padEnd(ABOUT_INDENT) : ' '.repeat(ABOUT_INDENT);
  return [...form, ...wrapped(start, about.split(' '), ABOUT_INDENT)].join('\n');
}

export function helpText(): string {
  return [
    'shardns: DNS answers at memory speed\n',
    ...HELP.map(rowText),
    '  shardns --version | --help',
    `
Without --upstream, those of /etc/resolv.conf, also when it changes; with --recursive, or where it names nobody but this
server, names are resolved from the root. --bootstrap: where names of upstreams are looked up; by default at those with
addresses. Environment (an empty variable is one not set): SHARDNS_LISTEN, SHARDNS_UPSTREAM, SHARDNS_BOOTSTRAP, SHARDNS_THREADS,
SHARDNS_MEMORY, SHARDNS_POLICY, SHARDNS_CONFIG, SHARDNS_METRICS, SHARDNS_LOG_LEVEL, SHARDNS_SNAPSHOT, SHARDNS_WARM,
SHARDNS_RECURSIVE.
Flags win over the environment, the environment over the file. SIGHUP reads the file again and keeps the cache; SIGTERM
drains, and saves the snapshot; SIGUSR1 logs a line of statistics; SIGUSR2 switches debug lines on and off. --warm FILE asks
at the start for the names of a list, or of a query log's most frequent.
`,
  ].join('\n');
}
