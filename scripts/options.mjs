// Writes docs/options.md and shardns.schema.json from the rows of lib/server/settings; `--check` fails where they differ.
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';
import { rowsIn } from '../dist/server/settings/row.js';
import { SECTIONS, serverSchema } from '../dist/server/settings/settings.js';

const CHANGES = {
  live: 'at once',
  relisten: 'opens listeners anew',
  start: 'at the next start',
  restart: 'refused: restart',
};
// Where the machine decides.
const DEFAULTS = { udp: '`native` on Linux, else `dgram`' };

/** What values an option may have, as its JSON schema says it. */
function typeOf(schema) {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return nameOf(json);
}

function nameOf(json) {
  if (json.const !== undefined) return `\`${json.const}\``;
  if (json.enum !== undefined) return json.enum.map(value => `\`${value}\``).join(', ');
  if (json.anyOf !== undefined) return [...new Set(json.anyOf.map(nameOf))].join(' or ');
  if (Array.isArray(json.type)) return json.type.map(type => nameOf({ type })).join(' or ');
  if (json.type === 'array') return `list of ${nameOf(json.items)}${bounds(json.minItems, json.maxItems, ', ')}`;
  if (json.type === 'object') return json.additionalProperties ? 'named lists' : 'section';
  if (json.type === 'integer') return `integer${bounds(json.minimum, json.maximum, ' ')}`;
  if (json.type === 'number') return `number${bounds(json.minimum ?? json.exclusiveMinimum, json.maximum, ' ')}`;
  return { string: 'text', boolean: 'true or false' }[json.type] ?? 'any';
}

function bounds(min, max, lead) {
  if (max === undefined || max >= Number.MAX_SAFE_INTEGER) return min > 0 ? `${lead}${min} and more` : '';
  return `${lead}${min ?? 0} to ${max}`;
}

function defaultOf(path, schema) {
  if (path in DEFAULTS) return DEFAULTS[path];
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const value = json.default;
  if (value === undefined || (Array.isArray(value) && value.length === 0) || value === '') return '-';
  if (value > 0 && value < 1 && Number.isInteger(1 / value) && 1 / value > 10) return `\`${value}\` (1/${1 / value})`;
  return Array.isArray(value) ? value.map(one => `\`${one}\``).join(', ') : `\`${value}\``;
}

function* linesOf(rows, at = '') {
  for (const [key, { schema, why, change }] of Object.entries(rows)) {
    const path = at + key;
    const inner = rowsIn(schema);
    const meaning = why.replaceAll('|', '\\|');
    if (inner === undefined) {
      yield `| \`${path}\` | ${defaultOf(path, schema)} | ${typeOf(schema)} | ${CHANGES[change]} | ${meaning} |`;
    } else {
      yield `| **\`${path}${inner.list ? '[]' : ''}\`** | | | ${inner.list ? CHANGES[change] : ''} | ${meaning} |`;
      // Local data of a view is explained where local data is.
      if (path !== 'views[].local') yield* linesOf(inner.rows, `${path}${inner.list ? '[]' : ''}.`);
    }
  }
}

const head = `# Options

<!-- Written by \`npm run docs\` from lib/server/settings: change it there. -->

Every option of \`createServer()\` is a key of the YAML file; flags and environment variables (\`SHARDNS_LISTEN\`, ...) cover the common ones, flags win over the environment, the environment over the file. \`shardns check-config FILE\` names what is wrong, by line. Editors check the file as it is written where it begins with

\`\`\`yaml
# yaml-language-server: $schema=./node_modules/shardns/shardns.schema.json
\`\`\`

\`server.update({ ... })\` changes those that it names, \`SIGHUP\` reads the file again: a change takes effect at once, opens listeners anew (what was received is answered), counts at the next start, or is refused because it needs a restart. Everything is validated before anything changes.

`;
const table = '| option | default | values | a change | meaning |\n| --- | --- | --- | --- | --- |\n';
const page =
  head +
  Object.entries(SECTIONS)
    .map(([title, rows]) => `## ${title}\n\n${table}${[...linesOf(rows)].join('\n')}\n`)
    .join('\n');

const schema = {
  ...z.toJSONSchema(serverSchema, { io: 'input', unrepresentable: 'any' }),
  title: 'Configuration of shardns serve',
};
// The machine decides, not the one that this was written on.
delete schema.properties.udp.default;

const files = {
  'docs/options.md': page,
  'shardns.schema.json': JSON.stringify(schema),
};
for (const [path, text] of Object.entries(files)) {
  const wanted = path.endsWith('.md') ? text : await format(text, { ...(await resolveConfig(path)), filepath: path });
  if (!process.argv.includes('--check')) writeFileSync(path, wanted);
  else if (readFileSync(path, 'utf8') !== wanted) {
    console.error(`${path} does not say what lib/server/settings says: npm run docs`);
    process.exitCode = 1;
  }
}
