// Whatever is given for an argument that is something else, the error says which one, and the value.
import { afterAll, describe, expect, test } from 'vitest';
import { ByteCache, DnsCache, ShardnsError } from '../../../lib/index.js';
import { answerA, makeQuery } from '../../support/messages.js';

const bytes = ByteCache.create({ memory: '1MiB', codec: 'utf8' });
const dns = DnsCache.create({ memory: '1MiB' });
afterAll(() => {
  bytes.close();
  dns.close();
});
const query = makeQuery('a.example');
const out = new Uint8Array(2048);
type Call = [what: string, call: (wrong: never) => unknown, accepted: readonly unknown[]];
const WRONG = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  NaN,
  '5000',
  'text',
  Symbol('symbol'),
  10n,
  {},
  [],
  () => 1,
  new Date(0),
];
const name = 'a.example';
const strings = ['5000', 'text'];
const calls: Call[] = [
  ...(['get', 'has', 'ttl', 'delete', 'touch'] as const).map((method): Call => [
    `bytes.${method}(key)`,
    key => bytes[method](key),
    strings,
  ]),
  ['bytes.getInto(key)', key => bytes.getInto(key, out), strings],
  ['bytes.getInto(out)', into => bytes.getInto('key', into), []],
  ['bytes.getMany(keys)', keys => bytes.getMany(keys), [WRONG[12]]],
  ['bytes.set(key)', key => bytes.set(key, 'value'), strings],
  ['bytes.set(value)', value => bytes.set('key', value), strings],
  ['bytes.set(options)', options => bytes.set('key', 'value', options), [undefined, WRONG[11], WRONG[12], WRONG[14]]],
  ['bytes.set(ttlMs)', ttlMs => bytes.set('key', 'value', { ttlMs }), [undefined, 1.5]],
  ['bytes.set(tags)', tags => bytes.set('key', 'value', { tags }), [undefined, WRONG[12]]],
  ['bytes.set(tag)', tag => bytes.set('key', 'value', { tags: [tag] }), strings],
  ['bytes.touch(ttlMs)', ttlMs => bytes.touch('key', ttlMs), [undefined, 1.5]],
  ['bytes.fetch(key)', key => bytes.fetch(key, () => 'value'), strings],
  ['bytes.fetch(load)', load => bytes.fetch('other', load), [WRONG[13]]],
  [
    'bytes.fetch(options)',
    options => bytes.fetch('key', () => 'value', options),
    [undefined, WRONG[11], WRONG[12], WRONG[14]],
  ],
  ['bytes.fetch(ttlMs)', ttlMs => bytes.fetch('key', () => 'value', { ttlMs }), [undefined, 1.5, WRONG[13]]],
  ['bytes.fetch(tags)', tags => bytes.fetch('key', () => 'value', { tags }), [undefined, WRONG[12]]],
  ['bytes.fetch(signal)', signal => bytes.fetch('key', () => 'value', { signal }), [undefined]],
  ['bytes.invalidate(what)', what => bytes.invalidate(what), []],
  ['bytes.invalidate(tag)', tag => bytes.invalidate({ tag }), strings],
  ['bytes.entries(limit)', limit => [...bytes.entries(limit)], [undefined, 0, 1.5]],
  ['bytes.namespace(name)', text => bytes.namespace(text), strings],
  ['bytes.namespace(ttlMs)', ttlMs => bytes.namespace('space', { ttlMs }), [undefined, 1.5]],
  ['bytes.namespace(codec)', codec => bytes.namespace('space', { codec }), [undefined]],
  ['bytes.load(path)', path => bytes.load(path), []],
  ['bytes.load(options)', options => bytes.load('/nonexistent', options), []],
  ['dns.answer(query)', message => dns.answer(message, out), []],
  ['dns.answer(out)', into => dns.answer(query, into), []],
  [
    'dns.answer(options)',
    options => dns.answer(query, out, options),
    [undefined, WRONG[11], WRONG[12], WRONG[13], WRONG[14]],
  ],
  ...(['udp', 'allowStale'] as const).map((key): Call => [
    `dns.answer(${key})`,
    value => dns.answer(query, out, { [key]: value }),
    [undefined, true],
  ]),
  ['dns.answer(tenant)', tenant => dns.answer(query, out, { tenant }), [undefined, 0]],
  ['dns.insert(response)', message => dns.insert(message), []],
  ['dns.insert(variant)', variant => dns.insert(answerA(query), variant), [undefined, WRONG[11], WRONG[12], WRONG[14]]],
  ['dns.insert(tenant)', tenant => dns.insert(answerA(query), { tenant }), [undefined, 0]],
  ['dns.insert(dnssecOk)', dnssecOk => dns.insert(answerA(query), { dnssecOk }), [undefined, true]],
  ...(['peek', 'delete'] as const).flatMap((method): Call[] => [
    [`dns.${method}(name)`, text => dns[method](text, 'A'), strings],
    [`dns.${method}(type)`, type => dns[method](name, type), []],
    [
      `dns.${method}(variant)`,
      variant => dns[method](name, 'A', variant),
      [undefined, WRONG[11], WRONG[12], WRONG[14]],
    ],
    [`dns.${method}(tenant)`, tenant => dns[method](name, 'A', { tenant }), [undefined, 0]],
    [
      `dns.${method}(checkingDisabled)`,
      checkingDisabled => dns[method](name, 'A', { checkingDisabled }),
      [undefined, true],
    ],
  ]),
  ['dns.invalidate(what)', what => dns.invalidate(what), []],
  ['dns.invalidate(name)', text => dns.invalidate({ name: text }), strings],
  ['dns.invalidate(suffix)', suffix => dns.invalidate({ suffix }), strings],
  ['dns.invalidate(tenant)', tenant => dns.invalidate({ tenant }), []],
  ['dns.entries(limit)', limit => [...dns.entries(limit)], [undefined, 0, 1.5]],
  ['dns.answerBatch(count)', count => dns.answerBatch(count), [0]],
  ['dns.registerBatch(queries)', queries => dns.registerBatch(queries, new Uint32Array(1), out, new Int32Array(1)), []],
  ['dns.load(path)', path => dns.load(path), []],
  ['DnsCache.create', options => DnsCache.create(options), [undefined, null, WRONG[11], WRONG[14]]],
  ['ByteCache.create', options => ByteCache.create(options), [undefined, null, WRONG[11], WRONG[14]]],
  ['DnsCache.attach', handle => DnsCache.attach(handle), []],
  ['ByteCache.attach', handle => ByteCache.attach(handle), []],
];

test.each(calls)('%s', async (_, call, accepted) => {
  for (const wrong of WRONG) {
    if (accepted.includes(wrong)) continue;
    let said: unknown;
    try {
      said = await call(wrong as never);
    } catch (error) {
      said = error;
    }
    const text = typeof wrong === 'symbol' ? 'a symbol' : `${typeof wrong} ${String(wrong)}`;
    expect(said, text).toBeInstanceOf(ShardnsError);
    expect((said as ShardnsError).code, text).not.toBe('ERR_SHARDNS_INTERNAL');
  }
});

describe('strings that UTF-8 has no octets for', () => {
  const half = 'name:\ud83d';
  test.each<[string, () => unknown]>([
    ['key', () => bytes.set(half, 'one')],
    ['key', () => bytes.get(half)],
    ['value', () => bytes.set('key', half)],
    ['tag', () => bytes.set('key', 'value', { tags: [half] })],
    ['tag', () => bytes.invalidate({ tag: half })],
    ['namespace', () => bytes.namespace(half)],
  ])('are refused by name and escaped as a %s', (option, call) => {
    const message = expect.stringMatching(
      new RegExp(`^${option}: expected .* without lone surrogates.*got "name:\\\\ud83d"`),
    );
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_SHARDNS_OPTION', message }));
  });
  test('whole pairs are taken, and JSON escapes halves itself', () => {
    bytes.set('emoji 🐘', 'value 🐘');
    expect(bytes.get('emoji 🐘')).toBe('value 🐘');
    const json = bytes.namespace<string>('json', { codec: 'json' });
    json.set('key', half);
    expect(json.get('key')).toBe(half);
  });
});

test.each<[string, () => unknown]>([
  ['ttl', () => bytes.set('k', 'v', { ttl: 5000 } as never)],
  ['ttl', () => bytes.fetch('k', () => 'v', { ttl: 5000 } as never)],
  ['signal', () => bytes.set('k', 'v', { signal: undefined } as never)],
  ['tenat', () => dns.insert(answerA(query), { tenat: 7 } as never)],
  ['tenat', () => dns.peek('a.example', 'A', { tenat: 7 } as never)],
])('%s that is written wrong is no option that is passed over: %s', async (name, call) => {
  await expect((async () => call())()).rejects.toMatchObject({
    code: 'ERR_SHARDNS_OPTION',
    message: `${name}: is not an option`,
  });
});
