// Putting a lookup where programs look names up: agents of http and https, which got and axios take too.
import type { Agent } from 'node:http';
import { argumentError } from './arguments.js';
import type { LookupFunction } from './lookup-call.js';

type Connect = (options: { lookup?: unknown }, ...rest: unknown[]) => unknown;
interface Patched {
  createConnection: Connect;
}
const originals = new WeakMap<object, Connect>();

/**
 * Every connection that the agent makes without a lookup of its own uses `lookup`. Twice is once.
 * @throws {TypeError} when it is no agent
 */
export function installLookup(agent: Agent, lookup: LookupFunction): void {
  const patched = agent as unknown as Patched;
  if (typeof (patched as Partial<Patched> | undefined)?.createConnection !== 'function') {
    throw argumentError('agent', 'an instance of http.Agent or https.Agent', agent);
  }
  if (originals.has(agent)) return;
  const original = patched.createConnection;
  originals.set(agent, original);
  patched.createConnection = function createConnection(this: unknown, options, ...rest) {
    return original.call(
      this,
      options.lookup === undefined || options.lookup === null ? { ...options, lookup } : options,
      ...rest,
    );
  };
}

/** The agent as it was. */
export function uninstallLookup(agent: Agent): void {
  const original = originals.get(agent);
  if (original === undefined) return;
  (agent as unknown as Patched).createConnection = original;
  originals.delete(agent);
}
