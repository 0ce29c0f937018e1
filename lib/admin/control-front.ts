// The control API as browsers and programs of other machines reach it: who calls is judged first, then the call is
// routed. Everything else that a page needs is here too: its session, and its files.
//
// A browser trades a token for a session, whose cookie no script can read and no other site's page can send along
// (HttpOnly, SameSite=Strict). No CORS header is ever sent.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { clientOf } from '../base/client-shares.js';
import type { Logger } from '../base/log.js';
import { judge } from './admission.js';
import type { ApiParts } from './api/call.js';
import type { Caller } from './api/caller.js';
import { Refused } from './api/refused.js';
import { toldTo } from './control-api.js';
import { route, sendProblem } from './api/router.js';
import { sendFile } from './dashboard-files.js';
import { type Callers, type Token } from './tokens.js';

const HEADERS = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

const UNSAFE = /^(?:POST|PATCH|PUT|DELETE)$/;

export interface FrontSettings {
  /** Host names that requests may name it by. */
  readonly hosts: readonly string[];
  readonly encrypted: boolean;
}

export class ControlFront {
  constructor(
    private readonly parts: ApiParts,
    private readonly callers: Callers,
    public settings: FrontSettings,
    private readonly log: Logger,
  ) {}

  /** Answers one request. Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {}); // whoever asked is gone
    try {
      for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
      await this.#answer(request, response);
    } catch (error) {
      if (!(error instanceof Refused)) toldTo(this.log).broke(error, (request.url ?? '').split('?')[0]);
      sendProblem(response, error);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const verdict = judge(request.headers, { hosts: this.settings.hosts, option: 'api.hosts' });
    if (verdict !== undefined) throw new Refused(verdict.status, 'ERR_SHARDNS_OPTION', verdict.reason);
    const { method = '', url = '/' } = request;
    const [path] = url.split('?');
    // What a form of another page can send without asking first is not taken (Fetch: no CORS-safelisted type).
    const type = request.headers['content-type']?.split(';')[0].trim().toLowerCase();
    if (UNSAFE.test(method) && type !== 'application/json') {
      throw new Refused(415, 'ERR_SHARDNS_OPTION', `content-type: expected application/json, got ${type ?? 'none'}`);
    }
    if (path === '/v1/session') return this.#session(request, response);
    if (!path.startsWith('/v1/') && path !== '/healthz' && path !== '/readyz') {
      if (method !== 'GET' && method !== 'HEAD')
        throw new Refused(405, 'ERR_SHARDNS_OPTION', `there is no ${method} ${path}`, { allow: 'GET' });
      return sendFile(path, request, response);
    }
    await route(this.parts, { request, response }, this.#callerOf(request), toldTo(this.log));
  }

  #callerOf(request: IncomingMessage): Caller {
    const address = request.socket.remoteAddress ?? '';
    const bearer = bearerOf(request);
    if (bearer !== undefined) {
      const token = this.#byToken(bearer, address);
      return {
        scope: token.scope,
        name: `token ${token.name}`,
        stands: () => this.callers.byToken(bearer)?.scope === token.scope,
      };
    }
    const secret = this.#sessionOf(request);
    const token = secret === undefined ? undefined : this.callers.bySession(secret);
    if (secret !== undefined && token !== undefined) {
      return {
        scope: token.scope,
        name: `session ${token.name}`,
        stands: () => this.callers.bySession(secret) !== undefined,
      };
    }
    const open = /^\/(?:healthz|readyz|v1\/openapi\.json)(?:$|\?)/.test(request.url ?? '');
    if (open) return { scope: 'open', name: 'anybody', stands: () => true };
    throw unauthorized('expected the header Authorization: Bearer TOKEN, or a session');
  }

  #byToken(given: string, address: string): Token {
    // An IPv6 network of one household or rented server counts as one address.
    const client = clientOf(address);
    if (this.callers.isGuessing(client)) {
      throw new Refused(429, 'ERR_SHARDNS_OVERLOAD', 'too many wrong tokens from this address', {
        'retry-after': '60',
      });
    }
    const token = this.callers.byToken(given);
    if (token !== undefined) return token;
    this.callers.guessedWrong(client);
    this.log.warn({ address }, 'a wrong token was given to the control API');
    throw unauthorized('the token is not one of api.tokens');
  }

  /** POST with a token begins a session, GET says whose it is, DELETE ends it. */
  #session(request: IncomingMessage, response: ServerResponse): void {
    const { method } = request;
    const secret = this.#sessionOf(request);
    if (method === 'POST') {
      const token = this.#byToken(bearerOf(request) ?? '', request.socket.remoteAddress ?? '');
      this.#setCookie(response, this.callers.begin(token), 43_200);
      sendSession(response, token);
    } else if (method === 'GET') {
      const token = secret === undefined ? undefined : this.callers.bySession(secret);
      if (token === undefined) throw unauthorized('no session');
      sendSession(response, token);
    } else if (method === 'DELETE') {
      if (secret !== undefined) this.callers.end(secret);
      this.#setCookie(response, '', 0);
      response.writeHead(204).end();
    } else
      throw new Refused(405, 'ERR_SHARDNS_OPTION', `there is no ${method} /v1/session`, { allow: 'GET, POST, DELETE' });
  }

  get #cookie(): string {
    return this.settings.encrypted ? SECURE_COOKIE : COOKIE;
  }

  /** Over TLS the cookie without the prefix is not taken: a page of a neighbouring name could have set it. */
  #sessionOf({ headers }: IncomingMessage): string | undefined {
    const [, secret] = new RegExp(`(?:^|; *)${this.#cookie}=([\\w-]{43})(?:;|$)`).exec(headers.cookie ?? '') ?? [];
    return secret;
  }

  #setCookie(response: ServerResponse, secret: string, seconds: number): void {
    const { encrypted } = this.settings;
    const secure = encrypted ? '; Secure' : '';
    response.setHeader(
      'set-cookie',
      `${this.#cookie}=${secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`,
    );
  }
}

const COOKIE = 'shardns-session';
/** RFC 6265bis section 4.1.3.2: nobody but this host, over TLS, can have set it. */
const SECURE_COOKIE = '__Host-shardns-session';

function sendSession(response: ServerResponse, { name, scope }: Token): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify({ name, scope })}\n`);
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^bearer +(\S{1,512}) *$/i.exec(headers.authorization ?? '')?.[1];
}

function unauthorized(text: string): Refused {
  return new Refused(401, 'ERR_SHARDNS_OPTION', text, { 'www-authenticate': 'Bearer realm="shardns"' });
}
