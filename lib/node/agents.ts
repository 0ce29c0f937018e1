// Putting a lookup where programs look names up: agents of http and https, which got and axios take too.
import type { Agent } from 'node:http';
import { argumentError } from './arguments.js';
import type { LookupFunction } from './lookup-call.js';

type Connect = (options: { lookup?: unknown }, ...rest: unknown[]) => unknown;
interface Patched {
  createConnection: Connect;
}
interface Installed {
  /** The last one is used. */
  lookups: LookupFunction[];
  connect: Connect;
  /** What the agent itself had, not its class. */
  own: PropertyDescriptor | undefined;
}
const installed = new WeakMap<object, Installed>();

function checkAgent(agent: unknown): Patched {
  const patched = agent as Partial<Patched> | null | undefined;
  if (typeof patched?.createConnection !== 'function') {
    throw argumentError('agent', 'an instance of http.Agent or https.Agent', agent);
  }
  return patched as Patched;
}

/**
 * Every connection that the agent makes without a lookup of its own uses `lookup`. Twice is once; of several the one
 * that was installed last is used.
 * @throws {TypeError} when it is no agent
 */
export function installLookup(agent: Agent, lookup: LookupFunction): void {
  const patched = checkAgent(agent);
  const before = installed.get(agent);
  if (before !== undefined) {
    before.lookups = [...before.lookups.filter(one => one !== lookup), lookup];
    return;
  }
  const original = patched.createConnection;
  const connect: Connect = function createConnection(this: unknown, options, ...rest) {
    const used = now.lookups.at(-1);
    const bare = used !== undefined && (options.lookup === undefined || options.lookup === null);
    return original.call(this, bare ? { ...options, lookup: used } : options, ...rest);
  };
  const now: Installed = {
    lookups: [lookup],
    connect,
    own: Object.getOwnPropertyDescriptor(agent, 'createConnection'),
  };
  installed.set(agent, now);
  patched.createConnection = connect;
}

/**
 * The agent without `lookup`: with the one that was installed before it, or as it was.
 * @throws {TypeError} when it is no agent
 */
export function uninstallLookup(agent: Agent, lookup: LookupFunction): void {
  const patched = checkAgent(agent);
  const now = installed.get(agent);
  if (now === undefined) return;
  now.lookups = now.lookups.filter(one => one !== lookup);
  // Where others have put something of theirs over it since, it stays behind that and does nothing.
  if (now.lookups.length > 0 || patched.createConnection !== now.connect) return;
  installed.delete(agent);
  if (now.own === undefined) delete (patched as Partial<Patched>).createConnection;
  else Object.defineProperty(agent, 'createConnection', now.own);
}
