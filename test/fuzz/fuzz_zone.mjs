// Mutated zone files for so many seconds: loading never throws and never takes long, tells a problem with a place for what
// it refuses; what it takes reads back from its text as the same zone, and answers every question with a whole message.
import { decodeMessage } from '../../dist/wire/message.js';
import { recordText } from '../../dist/wire/record-text.js';
import { answerFromZones } from '../../dist/zone/answer.js';
import { loadZone } from '../../dist/zone/load-zone.js';
import { ZoneStore } from '../../dist/zone/zone-store.js';
import { zoneText } from '../../dist/zone/zone-text.js';

const HEAD = '$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n';
const SEEDS = [
  `${HEAD}a CNAME b\nb CNAME a\n*.w MX 10 ns\nx.*.w A 192.0.2.2\n`,
  `${HEAD}sub NS ns.sub\nns.sub A 192.0.2.3\nsub DS 1 8 2 ${'AB'.repeat(32)}\nd DNAME e\ne TXT "x" y\n`,
  `${HEAD}@ RRSIG SOA 8 1 60 20400101000000 20200101000000 1 example. AAAA\n@ NSEC a SOA NS RRSIG NSEC\na NSEC @ A RRSIG NSEC\na A 192.0.2.4\n`,
  `${HEAD}@ RRSIG SOA 8 1 60 2 1 1 example. AAAA\n@ NSEC3PARAM 1 0 0 -\n0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS SOA\n`,
  '$ORIGIN a.example.\n$GENERATE 1-20 h$ A 192.0.2.$\n$INCLUDE x\n( @\n SOA a b 1 1 1 1 1 )\n',
];
const PIECES = [
  '(',
  ')',
  '"',
  ';',
  '\\',
  '\n',
  ' ',
  '@',
  '*',
  '.',
  '$TTL ',
  '$ORIGIN ',
  '$GENERATE 0-9 ',
  ' IN ',
  ' CNAME ',
  ' NS ',
];
const MORE = [
  ' \\# 4 00000001',
  ' TYPE65535 ',
  ' 4294967295 ',
  '\\255',
  '\0',
  '\xff',
  ' DNAME ',
  '*.',
  'sub',
  ' SVCB 1 . ',
  ' NSEC3 ',
];
const TYPES = [1, 2, 5, 6, 16, 39, 43, 46, 47, 50, 255];

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

/** Lines that are good by themselves, in a zone that may be good or not. */
function compose() {
  const all = SEEDS.slice(0, 4).flatMap(one => one.slice(HEAD.length).split('\n'));
  const lines = Array.from({ length: random(12) }, () => pick(all));
  const line = Array.from(
    { length: random(3) },
    () =>
      `${pick(['a', 'b.a', '*', '*.b', 'c.*', 'sub'])} ${pick(['A 192.0.2.9', 'CNAME a', 'NS ns.sub', 'DNAME b', 'TXT x', 'CNAME x.test.'])}`,
  );
  return `${HEAD}${[...lines, ...line].join('\n')}\n`;
}

function mutate(text) {
  if (random(2) === 0) return compose();
  let out = text;
  for (let i = 1 + random(5); i > 0; i--) {
    const at = random(out.length + 1);
    const kind = random(4);
    if (kind === 0) out = out.slice(0, at) + pick(random(2) ? PIECES : MORE) + out.slice(at);
    else if (kind === 1) out = out.slice(0, at) + out.slice(at + 1 + random(8));
    else if (kind === 2) out = out.slice(0, at) + String.fromCharCode(random(256)) + out.slice(at + 1);
    else out += pick(pick(SEEDS).split('\n')) + '\n';
  }
  return out.slice(0, 20_000);
}

const apex = Uint8Array.from([7, ...Buffer.from('example'), 0]);
const load = text => loadZone(Buffer.from(text, 'latin1'), { apex, file: 'zone' });

function nameBelow(zone) {
  const labels = ['a', 'b', '*', 'w', 'x', 'sub', 'ns', 'd', 'e', 'h1'];
  const name = Array.from({ length: random(4) }, () => [1, pick(labels).charCodeAt(0)]);
  return Uint8Array.from([...name.flat(), ...zone.apex]);
}

function checkTaken(zone) {
  const text = [...zoneText(zone)].join('');
  const again = load(text).zone;
  if (again === undefined) throw new Error('what is written is refused');
  const lines = one => [...one.records()].map(recordText).join('\n');
  if (lines(again) !== lines(zone)) throw new Error('what is written is another zone');
  const store = new ZoneStore();
  store.replace(zone);
  for (let i = 0; i < 20; i++) {
    const name = nameBelow(zone);
    const answer = answerFromZones(store, { name, type: pick(TYPES), dnsClass: 1, dnssecOk: random(2) === 0 });
    const { answers, authorities } = decodeMessage(answer.message);
    if (![0, 2, 3, 6].includes(answer.rcode)) throw new Error(`rcode ${answer.rcode}`);
    if (answer.rcode === 3 && authorities.every(one => one.type !== 6)) throw new Error('a denial without SOA');
    if (answer.rcode === 0 && answers.length + authorities.length === 0) throw new Error('an empty answer');
  }
}

const corpus = [...SEEDS];
const until = performance.now() + seconds * 1000;
let runs = 0;
let taken = 0;
let current = '';
try {
  while (performance.now() < until) {
    current = mutate(pick(corpus));
    const began = process.cpuUsage();
    const { zone, problems } = load(current);
    if (process.cpuUsage(began).user > 5_000_000) throw new Error('took more than 5 s');
    if (zone !== undefined) {
      taken++;
      checkTaken(zone);
    } else if (!problems.some(one => one.severity === 'error' && one.message !== '')) {
      throw new Error('refused without a word');
    }
    if (runs++ % 20 === 0 && corpus.length < 500) corpus.push(current);
  }
} catch (error) {
  console.error(`seed ${seed}, after ${runs} runs: ${error.stack}\ninput: ${JSON.stringify(current)}`);
  process.exit(1);
}
console.error(`${runs} runs, ${taken} zones`);
