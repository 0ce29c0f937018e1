// The control API and the dashboard over HTTP, on an address of their own.
//
// Bounds: 64 connections; a request begun within 5 s and whole within 10.
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { formatSocketAddress, parseSocketAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import { ShardnsError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { readRegularFile } from '../base/regular-file.js';
import type { Prepared } from '../server/prepared.js';
import type { ServerObserver } from '../server/server.js';
import type { ServerSettings } from '../server/settings/settings.js';
import { readIdentity, type TlsIdentity } from '../server/tls-identity.js';
import type { ControlApi } from './control-api.js';
import type { ControlFront } from './control-front.js';
import { HTTP_LIMITS } from './http-limits.js';
import { Callers, readTokens } from './tokens.js';

type ApiSettings = ServerSettings['api'];

const MAX_PEM_BYTES = 2 ** 20;

export interface ControlListenerParts {
  readonly api: ControlApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told where it is served from now on, with the port that was bound. */
  onUrl(url: string | undefined): void;
}

/** One that listens, and what it was made of. */
interface Open {
  readonly http: HttpServer | HttpsServer;
  readonly front: ControlFront;
  readonly callers: Callers;
}

export class ControlListener implements ServerObserver {
  #open: Open | undefined;
  #settings: ApiSettings;
  #closed = false;

  constructor(private readonly parts: ControlListenerParts) {}

  /** Where it listens, with the port that was bound: `http://127.0.0.1:9053`; undefined when it does not. */
  get url(): string | undefined {
    const bound = this.#open?.http.address() as AddressInfo | null | undefined;
    if (bound === null || bound === undefined) return undefined;
    const { address, port, family } = bound;
    const at = formatSocketAddress({ address, port, family: family === 'IPv6' ? 6 : 4 });
    return `${this.#settings?.certificate === undefined ? 'http' : 'https'}://${at}`;
  }

  /** @throws {ShardnsError} ERR_SHARDNS_LISTEN, ERR_SHARDNS_FILE, ERR_SHARDNS_CLOSED */
  async listen(settings: ApiSettings): Promise<void> {
    const change = await this.#prepare(settings);
    if (!this.#closed) return change.commit();
    change.discard();
    throw new ShardnsError('ERR_SHARDNS_CLOSED', 'closed while it began to listen for its control');
  }
  prepare({ api }: ServerSettings): Promise<Prepared> {
    return this.#prepare(api);
  }
  closed(): void {
    this.#closed = true;
    this.#stop();
    this.parts.api.close();
  }

  async #prepare(next: ApiSettings): Promise<Prepared> {
    const before = this.#settings;
    // Both are read again whatever has changed: their files may have.
    const tokens = next === undefined ? [] : readTokens(next.tokens);
    const identity = next === undefined ? undefined : this.#identityOf(next);
    const encrypts = identity !== undefined;
    const stays =
      this.#open !== undefined && next?.listen === before?.listen && encrypts === (before?.certificate !== undefined);
    const opened = next === undefined || stays ? undefined : await this.#begin(next, identity);
    return {
      commit: () => {
        // A server that was closed meanwhile would never stop it.
        if (this.#closed) {
          opened?.http.close();
          return;
        }
        if (!stays) {
          this.#stop();
          this.#open = opened;
        }
        this.#settings = next;
        this.parts.onUrl(this.url);
        if (opened !== undefined)
          this.parts.log.info({ url: this.url }, 'the control API and the dashboard are served');
        if (next === undefined || this.#open === undefined) return;
        this.#open.callers.use(tokens);
        this.#open.front.settings = { hosts: hostsOf(next), encrypted: encrypts };
        if (stays && identity !== undefined) (this.#open.http as HttpsServer).setSecureContext(contextOf(identity));
      },
      discard: () => opened?.http.close(),
    };
  }

  #identityOf({ certificate, key }: NonNullable<ApiSettings>): TlsIdentity | undefined {
    if (certificate === undefined || key === undefined) return undefined;
    const read = (path: string) => ({ path, text: readRegularFile(path, MAX_PEM_BYTES).text });
    const files = { certificate: read(certificate), key: read(key) };
    return readIdentity(files, { names: [], minVersion: 'TLSv1.2' }, this.parts.clock.wallSeconds());
  }

  async #begin(settings: NonNullable<ApiSettings>, identity: TlsIdentity | undefined): Promise<Open> {
    const { api, clock, random, log } = this.parts;
    const at = parseSocketAddress(settings.listen, 'api.listen');
    const [{ ControlFront }, parts] = await Promise.all([import('./control-front.js'), api.parts()]);
    const callers = new Callers(clock, random, readTokens(settings.tokens));
    const front = new ControlFront(
      parts,
      callers,
      { hosts: hostsOf(settings), encrypted: identity !== undefined },
      log,
    );
    const answer = (...[request, response]: Parameters<ControlFront['answer']>): void => {
      void front.answer(request, response);
    };
    const http =
      identity === undefined
        ? (await import('node:http')).createServer(HTTP_LIMITS, answer)
        : (await import('node:https')).createServer({ ...HTTP_LIMITS, ...contextOf(identity) }, answer);
    http.maxConnections = 64;
    await new Promise<void>((resolve, reject) => {
      // Once it listens nothing of this ends it: exhausted file descriptors and the like.
      http.on('error', cause => {
        const text = `cannot listen on ${formatSocketAddress(at)} (api): ${cause.message}`;
        reject(new ShardnsError('ERR_SHARDNS_LISTEN', text, { cause }));
      });
      http.listen(at.port, at.address, resolve);
    });
    // Serving keeps the process alive, its control does not.
    http.unref();
    return { http, front, callers };
  }

  #stop(): void {
    this.#open?.http.close();
    this.#open?.http.closeAllConnections();
    this.#open = undefined;
  }
}

const hostsOf = ({ hosts }: NonNullable<ApiSettings>): string[] =>
  hosts.map(host => host.toLowerCase().replace(/\.$/, ''));

const contextOf = ({ files }: TlsIdentity) =>
  ({ cert: files.certificate.text, key: files.key.text, minVersion: 'TLSv1.2' }) as const;
