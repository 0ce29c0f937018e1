// The thread that reads a configuration file for config-thread.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { readConfigFile } from './config.js';
import type { Read } from './config-thread.js';

function read(): Read {
  try {
    return { options: readConfigFile(workerData as string) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

parentPort!.postMessage(read());
