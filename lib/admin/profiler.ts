// Profiles of this process, by V8's own profilers (node:inspector), as Chromium's DevTools read them: where processor time or
// memory goes, over some seconds; or all that the heap holds now. No port is opened for it.
//
// Bounds: one at a time in the process, MAX_PROFILE_SECONDS; a snapshot of a heap of MAX_HEAP_OCTETS at the most, as it takes
// about as much memory again and holds the event loop up for about a second each 50 MB. Threads that receive go on meanwhile.
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '../base/clock.js';
import { Refused } from './api/refused.js';

export const PROFILE_KINDS = ['cpu', 'allocations', 'heap'] as const;
export type ProfileKind = (typeof PROFILE_KINDS)[number];
export const MAX_PROFILE_SECONDS = 60;
const MAX_HEAP_OCTETS = 256 * 2 ** 20;

/** By kind: the methods of the inspector that begin and end it, and what files of it are called. */
const OVER_TIME = {
  cpu: { domain: 'Profiler', begin: 'Profiler.start', end: 'Profiler.stop', suffix: 'cpuprofile' },
  allocations: {
    domain: 'HeapProfiler',
    begin: 'HeapProfiler.startSampling',
    end: 'HeapProfiler.stopSampling',
    suffix: 'heapprofile',
  },
} as const;

/** The part of an inspector's session that is used. */
export interface ProfilerSession {
  connect(): void;
  disconnect(): void;
  post(method: string, done: (error: Error | null, result?: object) => void): void;
  on(event: 'HeapProfiler.addHeapSnapshotChunk', listener: (message: { params: { chunk: string } }) => void): void;
}

/** V8 has one of them, whatever servers are in the process. */
let isUnderWay = false;

export interface ProfilerParts {
  readonly clock: Clock;
  readonly open?: () => Promise<ProfilerSession>;
  readonly heapOctets?: () => number;
}

export class Profiler {
  constructor(private readonly parts: ProfilerParts) {}

  /**
   * Writes one to a response. Whoever goes away ends it.
   * @throws {Refused} 503 while another one is under way; 409 for a heap that is too large; 501 for a Node without inspector
   */
  async take({ kind, seconds }: { kind: ProfileKind; seconds: number }, response: ServerResponse): Promise<void> {
    if (isUnderWay) throw new Refused(503, 'ERR_SHARDNS_OVERLOAD', 'a profile is under way', { 'retry-after': '10' });
    const octets = this.parts.heapOctets?.() ?? process.memoryUsage().heapUsed;
    if (kind === 'heap' && octets > MAX_HEAP_OCTETS) {
      const mebibytes = (value: number): string => `${Math.round(value / 2 ** 20)} MiB`;
      const text = `the heap has ${mebibytes(octets)}: of more than ${mebibytes(MAX_HEAP_OCTETS)} no snapshot is made`;
      throw new Refused(409, 'ERR_SHARDNS_OVERLOAD', text);
    }
    isUnderWay = true;
    try {
      const session = await (this.parts.open ?? openSession)();
      session.connect();
      try {
        await (kind === 'heap' ? heapSnapshot(session, response) : this.#overTime(session, kind, seconds, response));
      } finally {
        session.disconnect();
      }
    } finally {
      isUnderWay = false;
    }
  }

  async #overTime(
    session: ProfilerSession,
    kind: keyof typeof OVER_TIME,
    seconds: number,
    response: ServerResponse,
  ): Promise<void> {
    const { domain, begin, end, suffix } = OVER_TIME[kind];
    await post(session, `${domain}.enable`);
    await post(session, begin);
    await this.#wait(seconds, response);
    const { profile } = (await post(session, end)) as { profile: object };
    if (response.destroyed) return;
    sendHead(response, suffix);
    response.end(JSON.stringify(profile));
  }

  /** Or until nobody waits for it any more. */
  #wait(seconds: number, response: ServerResponse): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        timer.cancel();
        response.off('close', done);
        resolve();
      };
      const timer: Timer = this.parts.clock.after(seconds * 1000, done);
      response.on('close', done);
      if (response.destroyed) done();
    });
  }
}

async function openSession(): Promise<ProfilerSession> {
  try {
    const { Session } = await import('node:inspector');
    return new Session() as unknown as ProfilerSession;
  } catch (error) {
    throw new Refused(501, 'ERR_SHARDNS_NATIVE', `this Node has no profiler: ${(error as Error).message}`);
  }
}

async function heapSnapshot(session: ProfilerSession, response: ServerResponse): Promise<void> {
  sendHead(response, 'heapsnapshot');
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => {
    if (!response.destroyed) response.write(params.chunk);
  });
  await post(session, 'HeapProfiler.takeHeapSnapshot');
  response.end();
}

function sendHead(response: ServerResponse, suffix: string): void {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="shardns-${process.pid}.${suffix}"`,
  });
}

function post(session: ProfilerSession, method: string): Promise<object | undefined> {
  return new Promise((resolve, reject) => {
    session.post(method, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
