// The thread that reads large zone files, for zone-thread.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { useKeyOfNames } from '../zone/packed-nodes.js';
import { buffersOf, packed, readZoneAt } from './zone-loading.js';
import type { FromZoneThread, ToZoneThread, ZoneThreadData } from './zone-thread.js';

useKeyOfNames((workerData as ZoneThreadData).key);

parentPort!.on('message', (args: ToZoneThread) => {
  try {
    const read = packed(readZoneAt(args));
    parentPort!.postMessage({ read } satisfies FromZoneThread, buffersOf(read));
  } catch (error) {
    parentPort!.postMessage({ failed: (error as Error).message } satisfies FromZoneThread);
  }
});
