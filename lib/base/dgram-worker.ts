// A fault of Node 20: a worker that is terminated while the listener of a datagram socket settles promises ends the whole
// process (FATAL ERROR: v8::FromJust), as promises are continued when the listener returns. 22 and 24 do not have it.
import { lazy } from './lazy.js';

const hasFault = lazy(
  () => process.versions.node.startsWith('20.') && !process.getBuiltinModule('node:worker_threads').isMainThread,
);

/** A listener for messages that does its work in a turn of its own where the fault is, and at once elsewhere. */
export function messageListener<T extends unknown[]>(work: (...message: T) => void): (...message: T) => void {
  return hasFault() ? (...message) => void setImmediate(work, ...message) : work;
}
