// The unix socket of `shardns ctl`: of mode 0600, so that the server's user and root have it and nobody else. It is made in
// a folder of its own beside its place and then moved there, so that at no time others may connect to it.
//
// Bounds: 16 connections; a call begun within 5 s and whole within 10.
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { ShardnsError } from '../base/errors.js';
import type { Prepared } from '../server/prepared.js';
import type { ServerObserver } from '../server/server.js';
import type { ServerSettings } from '../server/settings/settings.js';
import type { ControlApi } from './control-api.js';
import { HTTP_LIMITS } from './http-limits.js';

/** Octets of a unix socket's path (sun_path of Linux, one of them the end); a folder's name comes into it for a moment. */
const MAX_SOCKET_PATH = 107 - '/shardns-XXXXXX'.length;

/** Whoever may connect to it may do everything. */
const SOCKET_USER = { scope: 'write', name: 'control socket', stands: () => true } as const;

interface FileId {
  readonly dev: number;
  readonly ino: number;
}

export class ControlSocket implements ServerObserver {
  #http: HttpServer | undefined;
  #path: string | undefined;
  /** The file that is our socket: another server may have put its own in its place. */
  #file: FileId | undefined;
  #closed = false;

  constructor(private readonly api: ControlApi) {}

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN saying why there cannot be one at that place; ERR_SHARDNS_CLOSED */
  async listen(path: ServerSettings['control']): Promise<void> {
    const change = await this.#prepare(path);
    if (!this.#closed) return change.commit();
    change.discard();
    throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen for its control');
  }
  prepare({ control }: ServerSettings): Promise<Prepared> {
    return this.#prepare(control);
  }
  closed(): void {
    this.#closed = true;
    this.#stop();
  }

  async #prepare(wanted: ServerSettings['control']): Promise<Prepared> {
    const path = wanted === false ? undefined : wanted;
    if (path === this.#path) return { commit: () => {}, discard: () => {} };
    const next = path === undefined ? undefined : await this.#open(path);
    const discard = (): void => {
      next?.http.close();
      if (path !== undefined && next !== undefined) removeOwn(path, next.file);
    };
    return {
      commit: () => {
        // A server that was closed meanwhile would never stop it.
        if (this.#closed) return discard();
        this.#stop();
        this.#http = next?.http;
        this.#file = next?.file;
        this.#path = path;
      },
      discard,
    };
  }

  #stop(): void {
    const path = this.#path;
    const file = this.#file;
    this.#http?.close();
    this.#http?.closeAllConnections();
    this.#http = this.#path = this.#file = undefined;
    if (path !== undefined && file !== undefined) removeOwn(path, file);
  }

  async #open(path: string): Promise<{ http: HttpServer; file: FileId }> {
    const folder = dirname(path);
    let made: string | undefined;
    try {
      await checkControlPlace(path);
      made = mkdtempSync(join(folder, 'shardns-'));
      const first = join(made, 's');
      const http = createServer(HTTP_LIMITS, (request, response) => {
        void this.api.answer({ request, response }, SOCKET_USER);
      });
      http.maxConnections = 16;
      await new Promise<void>((resolve, reject) => {
        http.on('error', reject);
        http.listen(first, resolve);
      });
      chmodSync(first, 0o600);
      const { dev, ino } = lstatSync(first);
      renameSync(first, path);
      // Serving keeps the process alive, its control does not.
      http.unref();
      return { http, file: { dev, ino } };
    } catch (cause) {
      const text = `cannot listen on ${path} (control): ${(cause as Error).message}`;
      throw new ShardnsError('ERR_SHARDNS_LISTEN', text, { cause });
    } finally {
      if (made !== undefined) rmSync(made, { recursive: true, force: true });
    }
  }
}

/** Not where another one has taken its place. */
function removeOwn(path: string, { dev, ino }: FileId): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.dev === dev && there.ino === ino) rmSync(path, { force: true });
}

/**
 * Its folder is made where it is missing. A socket that nobody serves any more is replaced; nothing else is.
 * @throws {Error} saying why there cannot be a control socket
 */
export async function checkControlPlace(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new Error(`expected a path of at most ${MAX_SOCKET_PATH} octets, got ${Buffer.byteLength(path)}`);
  }
  const folder = dirname(path);
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
  const { mode, uid } = statSync(folder);
  const own = process.getuid?.();
  // Who may write to the folder may put another socket in the place of this one: the sticky bit of /tmp forbids it.
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) throw new Error('its folder may be written to by others');
  if (uid !== own && uid !== 0 && (mode & 0o1000) === 0) throw new Error('its folder is of another user');
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new Error('there is something else than a socket');
  if (there.uid !== own) throw new Error('the socket there is of another user');
  if (await isServed(path)) throw new Error('another server listens there');
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}
