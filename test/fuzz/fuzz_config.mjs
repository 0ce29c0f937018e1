// Mutated configuration files for so many seconds: checkConfig never throws, never hangs, and whatever it accepts makes
// settings.
import { checkConfig } from '../../dist/cli/config.js';
import { readOptions } from '../../dist/server/settings/settings.js';

const SEEDS = [
  "listen: ['127.0.0.1:5300', '[::1]:5300']\ncache:\n  memory: 256MiB\n  policy: lru\n",
  'upstreams:\n  default: [192.0.2.1, "192.0.2.2:53"]\n  corp: [198.51.100.1]\nstale: { windowSeconds: 3600 }\n',
  'threads: 2\npin: true\nallow: [10.0.0.0/8, "2001:db8::/32"]\ntcp: &t { maxConnections: 5 }\nlog: { level: warn }\n',
  'a: &a [1]\nb: *a\n<<: *a\n? {x: y}\n: z\n--- \n...\n!!binary aGk=\n',
];
const PIECES = [
  '&a',
  '*a',
  '<<: ',
  '[',
  ']',
  '{',
  '}',
  ': ',
  '- ',
  '\n',
  '\n  ',
  '\t',
  '"',
  "'",
  '|',
  '>',
  '#',
  '!!',
  '0x',
  '1e999',
  '-1',
  '.inf',
  '.nan',
  'null',
  '~',
  '\u0000',
  '\uFFFF',
  '__proto__: ',
  'constructor: ',
  'memory: ',
  '99999999999999999999',
];

const seconds = Number(process.argv[2] ?? 5);
const seed = Date.now() >>> 0;
let state = seed || 1;
const random = n => {
  state ^= state << 13;
  state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state % n;
};
const pick = list => list[random(list.length)];

function mutate(text) {
  let out = text;
  for (let i = 1 + random(6); i > 0; i--) {
    const at = random(out.length + 1);
    const kind = random(5);
    if (kind === 0) out = out.slice(0, at) + pick(PIECES) + out.slice(at);
    else if (kind === 1) out = out.slice(0, at) + out.slice(at + 1 + random(8));
    else if (kind === 2)
      out = out.slice(0, at) + String.fromCharCode(random(random(2) ? 128 : 65536)) + out.slice(at + 1);
    else if (kind === 3)
      out = out.slice(0, at) + out.slice(random(out.length + 1), random(out.length + 1)) + out.slice(at);
    else out += pick(SEEDS);
  }
  return out.slice(0, 20_000);
}

const corpus = [...SEEDS];
const until = performance.now() + seconds * 1000;
let runs = 0;
let accepted = 0;
let current = '';
try {
  while (performance.now() < until) {
    current = mutate(pick(corpus));
    const began = performance.now();
    const result = checkConfig(current);
    if (performance.now() - began > 5000) throw new Error('took more than 5 s');
    if ('options' in result) {
      accepted++;
      readOptions(result.options);
    } else if (
      result.problems.length === 0 ||
      result.problems.some(problem => !(problem.line >= 1) || problem.text === '')
    ) {
      throw new Error('a problem without line or text');
    }
    if ({}.memory !== undefined) throw new Error('the prototype was polluted');
    if (runs++ % 50 === 0 && corpus.length < 500) corpus.push(current);
  }
} catch (error) {
  console.error(`seed ${seed}, after ${runs} runs: ${error.stack}\ninput: ${JSON.stringify(current)}`);
  process.exit(1);
}
console.error(`${runs} runs, ${accepted} accepted`);
