// An addon whose names are not those of this library is refused before a word of it is read.
import { describe, expect, test } from 'vitest';
import { Engine } from '../../../lib/cache/engine.js';
import { binding } from '../../../lib/native/binding.js';
import { checkContract, CONTRACT, type Contract, NAMES, type NameList } from '../../../lib/native/contract.js';

const addon = binding() as unknown as Contract;
const faked = (changes: Record<string, NameList>): Contract => ({
  contract: CONTRACT,
  names: { ...addon.names, ...changes },
});
const refusal = (of: Contract): { code: string; message: string } => {
  try {
    checkContract(of);
  } catch (error) {
    return error as { code: string; message: string };
  }
  return { code: '', message: 'accepted' };
};

describe('the names of the native addon', () => {
  test("are this library's", () => {
    expect(addon.contract).toBe(CONTRACT);
    expect(addon.names).toEqual(NAMES);
  });
  test('may come with lists that this library does not know', () => {
    expect(refusal(faked({ more: ['x'] })).message).toBe('accepted');
  });
  test('are refused where two words have changed places, with the first of them', () => {
    const [first, second, ...rest] = addon.names.tunables as string[];
    expect(refusal(faked({ tunables: [second, first, ...rest] }))).toMatchObject({
      code: 'ERR_SHARDNS_NATIVE',
      message:
        'the native addon differs in "tunables": word 0 is "maxTtlSeconds" there, "minTtlSeconds" in this library: ' +
        'build it again with "npx shardns build"',
    });
  });
  test('are refused where one is missing, or there is one more', () => {
    const stats = addon.names.cacheStats as string[];
    expect(refusal(faked({ cacheStats: stats.slice(0, -1) })).message).toContain(
      '"cacheStats": word 21 is nothing there, "staleAfterMiss" in this library',
    );
    expect(refusal(faked({ cacheStats: [...stats, 'later'] })).message).toContain(
      'word 22 is "later" there, nothing in this library',
    );
  });
  test('are refused where an array has another length', () => {
    const stats = (addon.names.planeStats as string[]).map(name => name.replace('[24]', '[25]'));
    expect(refusal(faked({ planeStats: stats })).message).toContain(
      'is "responsesByRcode[25]" there, "responsesByRcode[24]" in this library',
    );
  });
  test('are refused where a value is another, new or gone', () => {
    const { noSoa, ...without } = addon.names.status as Record<string, number>;
    expect(refusal(faked({ status: { ...without, noSoa: noSoa - 1 } })).message).toContain(
      '"status": "noSoa" is -6 there, -5 in this library',
    );
    expect(refusal(faked({ status: without })).message).toContain('"noSoa" is not there, -5 in this library');
    expect(refusal(faked({ status: { ...without, noSoa, more: 1 } })).message).toContain(
      '"more" is 1 there, not in this library',
    );
  });
  test('are refused where a list is missing, and with another version', () => {
    const { control: _, ...names } = addon.names;
    expect(refusal({ contract: CONTRACT, names }).message).toContain('has no list "control"');
    expect(refusal({ contract: 7, names: {} }).message).toContain(`speaks contract 7, this library ${CONTRACT}`);
  });
});

describe('an argument that is not what it should be', () => {
  test('is named with its number and what was expected', () => {
    const engine = new Engine({ memoryBytes: 1 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 200 });
    const native = engine.native as unknown as Record<string, (...args: unknown[]) => unknown>;
    const said = (method: string, ...args: unknown[]): string => {
      try {
        native[method](...args);
      } catch (error) {
        const { code, message } = error as { code: string; message: string };
        return `${code} ${message}`;
      }
      return 'nothing';
    };
    expect(said('forget', 0, 0, '7')).toBe('ERR_SHARDNS_INTERNAL argument 3 (tenant): expected a number');
    expect(said('forget', 9, 0, 0)).toContain('argument 1 (kind): expected a kind of what is forgotten');
    expect(said('forget', 1, 0, 0)).toContain('argument 2 (nameLength): expected the length of a name');
    expect(said('insert', 'x')).toContain('argument 1 (response): expected a typed array');
    expect(said('insert', new Uint8Array(12), 0, 0, 0, new Uint8Array(1))).toContain('argument 5 (scope): expected');
    expect(said('answerFrom', new Uint8Array(12), new Uint8Array(1023))).toContain(
      'argument 2 (reply): expected a typed array of at least 1024 octets',
    );
    expect(said('configure', new Uint32Array(3))).toContain('argument 1 (tunables): expected a typed array of');
    expect(said('stats', 99, new Float64Array(64))).toContain('argument 1 (shard): expected the number of a shard');
    expect(said('save', 'a\0b', 0, 0)).toContain('argument 1 (path): expected a path');
    expect(said('load', '/nowhere', 1, 0, 'x')).toContain('argument 4 (rulesLow): expected a number');
    engine.close();
  });
  test('as a property of options is named with what was expected', () => {
    const native = binding() as unknown as Record<string, (...args: unknown[]) => unknown>;
    const engine = new Engine({ memoryBytes: 1 << 20, shards: 1, policy: 's3fifo', averageEntryBytes: 200 });
    const gate = native.createGate({ seedHigh: 1, seedLow: 2 }) as Record<string, (...args: unknown[]) => unknown>;
    const said = (call: () => unknown): string => {
      try {
        call();
      } catch (error) {
        const { code, message } = error as { code: string; message: string };
        return `${code} ${message}`;
      }
      return 'nothing';
    };
    const region = { memoryBytes: 1 << 20, shards: 1, policy: 0, averageEntryBytes: 200 };
    const plane = {
      gate,
      threads: 1,
      pin: 0,
      flights: 16,
      waiters: 16,
      clientFlights: 1,
      clientWaiters: 1,
      receiveBufferBytes: 0,
      endpoints: [],
    };
    const wake = (): void => {};
    const inbox = new Uint8Array(1);
    const rules = { rules: new Uint8Array(28), everybody: 1, clients: 16 };
    const made = (options: object): string =>
      said(() => native.createPlane(engine.native, { ...plane, ...options }, wake));
    for (const [text, expected] of [
      [said(() => native.createGate({ seedHigh: 1 })), 'options.seedLow: expected a number'],
      [said(() => native.createGate(undefined)), 'options.seedHigh: expected a number'],
      [said(() => gate.replace({ ...rules, everybody: 'x' })), 'options.everybody: expected a number'],
      [said(() => gate.replace({ ...rules, rules: new Uint8Array(23) })), 'options.rules: expected whole records'],
      [said(() => gate.replace(rules)), 'options.rules: expected prefixes of IPv4 and IPv6'],
      [said(() => gate.remember({ address: inbox, tag: 1, seconds: 1 })), 'options.address: expected 4 or 16 octets'],
      [said(() => gate.judge(5)), 'argument 1 (octets): expected 4 or 16'],
      [said(() => native.createCache({ ...region, seedHigh: 1 })), 'options.seedLow: expected a number'],
      [
        said(() => native.createCache({ ...region, memoryBytes: NaN })),
        'options.memoryBytes: expected a number from 0',
      ],
      [said(() => native.attachCache(7)), 'argument 1 (memory): expected a typed array'],
      [said(() => native.createPlane({}, plane, wake)), 'argument 1 (cache): expected a cache'],
      [said(() => native.createPlane(engine.native, plane, 7)), 'argument 3 (wake): expected a function'],
      [made({ gate: {} }), 'options.gate: expected a gate'],
      [made({ waiters: undefined }), 'options.waiters: expected a number'],
      [made({ endpoints: ['127.0.0.1'] }), 'options.endpoints: expected an array of addresses and their ports'],
      [made({ endpoints: ['127.0.0.1', 65_536] }), 'options.endpoints: expected ports from 0 to 65535'],
      [said(() => native.createAsker('x')), 'argument 1 (v4): expected an address, or nothing'],
      [said(() => native.createAsker('', '', inbox, inbox, 7)), 'argument 5 (onReadable): expected a function'],
      [said(() => native.createAsker('', '', inbox, inbox, wake)), 'argument 4 (inbox): expected a typed array of'],
    ]) {
      expect(text).toContain(`ERR_SHARDNS_INTERNAL ${expected}`);
    }
    engine.close();
  });
});
