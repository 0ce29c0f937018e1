// Lookups in agents: which one is used, and what is left of them.
import type { Agent } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CachedLookup, install, lookup, uninstall } from '../../../lib/node/cached-lookup.js';

type Connecting = { createConnection(options: { lookup?: unknown }): unknown };
/** Agents of a class that tells which lookup it would connect with. */
class Telling {
  createConnection(options: { lookup?: unknown }): unknown {
    return options.lookup;
  }
}
const usedBy = (agent: Agent, own?: unknown): unknown =>
  (agent as unknown as Connecting).createConnection(own === undefined ? {} : { lookup: own });

let a: CachedLookup;
let b: CachedLookup;
let agent: Agent;
beforeEach(() => {
  [a, b] = ['192.0.2.1', '192.0.2.2'].map(server => new CachedLookup({ servers: [server], memory: '1MiB' }));
  agent = new Telling() as unknown as Agent;
});
afterEach(() => {
  a.close();
  b.close();
});

test('the one installed last is used, and uninstalling it leaves the other', () => {
  a.install(agent);
  b.install(agent);
  expect(usedBy(agent)).toBe(b.lookup);
  b.uninstall(agent);
  expect(usedBy(agent)).toBe(a.lookup);
  a.uninstall(agent);
  expect(usedBy(agent)).toBeUndefined();
});
test('uninstalling one does not undo the other, nor what was never installed', () => {
  a.install(agent);
  install(agent);
  a.uninstall(agent);
  b.uninstall(agent);
  expect(usedBy(agent)).toBe(lookup);
  uninstall(agent);
  expect(usedBy(agent)).toBeUndefined();
});
test('twice is once', () => {
  a.install(agent);
  b.install(agent);
  a.install(agent);
  expect(usedBy(agent)).toBe(a.lookup);
  a.uninstall(agent);
  expect(usedBy(agent)).toBe(b.lookup);
});
test('connections with a lookup of their own keep it', () => {
  const own = (): void => {};
  a.install(agent);
  expect(usedBy(agent, own)).toBe(own);
});
test('nothing is left behind: neither an own property, nor another in the place of one', () => {
  a.install(agent);
  a.uninstall(agent);
  expect(Object.hasOwn(agent, 'createConnection')).toBe(false);
  const own = (): string => 'own';
  Object.assign(agent, { createConnection: own });
  a.install(agent);
  a.uninstall(agent);
  expect((agent as unknown as Connecting).createConnection).toBe(own);
});
test('what others put over it stays', () => {
  a.install(agent);
  const under = (agent as unknown as Connecting).createConnection;
  const over = (options: { lookup?: unknown }): unknown => under.call(agent, options);
  Object.assign(agent, { createConnection: over });
  a.uninstall(agent);
  expect((agent as unknown as Connecting).createConnection).toBe(over);
  expect(usedBy(agent)).toBeUndefined();
  b.install(agent);
  expect(usedBy(agent)).toBe(b.lookup);
});
test.each([undefined, null, {}, 7])('%s is no agent', value => {
  for (const call of [install, uninstall]) {
    expect(() => call(value as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  }
});
