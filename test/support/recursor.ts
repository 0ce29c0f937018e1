// A recursor on a fake internet and a fake clock, with an RRset cache of its own.
import { afterEach, expect } from 'vitest';
import { systemRandom } from '../../lib/base/random.js';
import { ByteCache } from '../../lib/cache/bytes/byte-cache.js';
import { RrsetCache } from '../../lib/cache/rrset-cache.js';
import { AddressRules } from '../../lib/resolve/recurse/address-rules.js';
import { ResolutionError } from '../../lib/resolve/recurse/job.js';
import type { RecursionResult } from '../../lib/resolve/recurse/links.js';
import type { AskServer, RecursorOptions } from '../../lib/resolve/recurse/options.js';
import { Recursor } from '../../lib/resolve/recurse/recursor.js';
import { Type, typeName } from '../../lib/wire/iana.js';
import { encodeName } from '../../lib/wire/name.js';
import { decodeRdata } from '../../lib/wire/rdata.js';
import { FakeClock } from './fake-clock.js';
import { type FakeInternet, smallInternet } from './fake-internet.js';

const open: RrsetCache[] = [];
afterEach(() => {
  for (const cache of open.splice(0)) cache.close();
});

export function setUpRecursor(
  options: Partial<RecursorOptions> = {},
  internet: FakeInternet = smallInternet(),
  ask: AskServer = internet.ask,
) {
  const clock = new FakeClock();
  const rrsets = new RrsetCache(ByteCache.create({ memory: '2MiB', shards: 1, staleIfErrorMs: 3_600_000 }));
  open.push(rrsets);
  const recursor = new Recursor(rrsets, ask, clock, systemRandom, {
    recursive: true,
    rootHints: ['192.0.2.1'],
    port: 53,
    ipv4: true,
    ipv6: false,
    qnameMinimisation: 'relaxed',
    hardenGlue: true,
    verifyGlue: false,
    validation: undefined,
    dnssecOk: true,
    maxNameServers: 20,
    nothingBelowNxdomain: true,
    maxQueries: 200,
    maxDepth: 30,
    maxAliases: 11,
    deadlineMs: 5000,
    negativeMinTtl: 0,
    negativeMaxTtl: 3600,
    minTtl: 0,
    maxTtl: 86_400,
    originalTtl: false,
    maxInFlight: 100,
    rules: new AddressRules([], [], []),
    zones: new Map(),
    ...options,
  });
  const resolve = (name: string, type: number = Type.A): Promise<RecursionResult> =>
    recursor.resolve(encodeName(name), type, {});
  let shifted = 0;
  /** Moves the RRset cache's clock to so many milliseconds after its start. */
  const shift = (ms: number): void => rrsets.bytes.native.shiftClock((shifted = ms));
  /** So much time passes for all. */
  const pass = async (ms: number): Promise<void> => {
    shift(shifted + ms);
    await clock.advance(ms);
  };
  return { clock, rrsets, recursor, internet, resolve, shift, pass };
}

/** The records of an answer, as `TYPE data`. */
export const texts = (result: RecursionResult): string[] =>
  result.answers.flatMap(one => one.data.map(data => `${typeName(one.type)} ${decodeRdata(one.type, data)}`));
/** What a promise rejects with, which is to be a ResolutionError. */
export const failure = async (promise: Promise<unknown>): Promise<ResolutionError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ResolutionError);
  return error as ResolutionError;
};
