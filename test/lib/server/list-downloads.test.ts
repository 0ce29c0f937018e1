// Lists at https URLs: what is asked for, what is taken, and that a copy stays where nothing better is had.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { copyOf, ListDownloads } from '../../../lib/server/list-downloads.js';
import { CERTIFICATE, KEY } from '../../support/certificate.js';
import { FakeClock } from '../../support/fake-clock.js';
import { answerA } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let folder: string;
let web: Server;
let handle: (request: IncomingMessage, response: ServerResponse) => void;
let asked: string[];
let warned: string[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-downloads-'));
  asked = [];
  warned = [];
  web = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    asked.push(`${request.url} ${String(request.headers['if-none-match'] ?? '')}`.trim());
    handle(request, response);
  });
  await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  web.closeAllConnections();
  await new Promise(resolve => web.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const url = (path: string): string => `https://127.0.0.1:${(web.address() as AddressInfo).port}${path}`;
const log = { ...silentLogger, warn: (what: { reason?: string }) => void warned.push(String(what.reason)) };
function downloads(list: { url: string; sha256?: string }): ListDownloads {
  const made = new ListDownloads(new FakeClock(), log as never, {
    ca: CERTIFICATE,
    checkServerIdentity: () => undefined,
  });
  made.use([{ name: 'ads', ...list }], { folder, refreshSeconds: 3600 });
  return made;
}
const textOf = (path: string): string | undefined => {
  const copy = copyOf(folder, url(path));
  return existsSync(copy) ? readFileSync(copy, 'utf8') : undefined;
};
const growOld = (path: string): void => utimesSync(copyOf(folder, url(path)), 1000, 1000);

test('a list is had once, asked about when it is old by its ETag, and replaced when it has changed', async () => {
  let text = 'a.example\n';
  handle = (request, response) => {
    const etag = `"${text.length}"`;
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(text);
  };
  const made = downloads({ url: url('/a') });
  expect(await made.refresh()).toBe(3_600_000);
  expect(textOf('/a')).toBe('a.example\n');
  await made.refresh();
  expect(asked).toEqual(['/a']);
  growOld('/a');
  await made.refresh();
  growOld('/a');
  text = 'a.example\nb.example\n';
  await made.refresh();
  expect(asked).toEqual(['/a', '/a "10"', '/a "10"']);
  expect(textOf('/a')).toBe(text);
  expect(made.failures).toBe(0);
  made.close();
});

test('of other content than that of its digest nothing is taken', async () => {
  handle = (_, response) => response.end('evil.example\n');
  const sha256 = createHash('sha256').update('good.example\n').digest('hex');
  const made = downloads({ url: url('/a'), sha256 });
  expect(await made.refresh()).toBe(60_000);
  expect(textOf('/a')).toBeUndefined();
  expect(warned[0]).toMatch(/expected the SHA-256/);
  handle = (_, response) => response.end('good.example\n');
  await made.refresh();
  expect(textOf('/a')).toBe('good.example\n');
  made.close();
});

test('what is refused, cut off or leads elsewhere leaves the copy as it is', async () => {
  handle = (_, response) => response.end('a.example\n');
  const made = downloads({ url: url('/a') });
  await made.refresh();
  for (const [wrong, told] of [
    [(_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end('gone'), /status 404/],
    [
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(302, { location: 'http://x/' }).end(),
      /away from https/,
    ],
    [
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(302, { location: '/a' }).end(),
      /more than 5 redirects/,
    ],
    [
      (_: IncomingMessage, response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 1000 }).write('b.');
        setImmediate(() => response.destroy());
      },
      /aborted|premature/i,
    ],
  ] as const) {
    growOld('/a');
    handle = wrong as typeof handle;
    warned = [];
    await made.refresh();
    expect(warned[0]).toMatch(told);
    expect(textOf('/a')).toBe('a.example\n');
  }
  expect(made.failures).toBe(4);
  handle = (request, response) =>
    request.url === '/b' ? response.end('b.example\n') : response.writeHead(301, { location: '/b' }).end();
  await made.refresh();
  expect(textOf('/a')).toBe('b.example\n');
  made.close();
});

test('a certificate that is not trusted is none', async () => {
  handle = (_, response) => response.end('a.example\n');
  const made = new ListDownloads(new FakeClock(), log as never);
  made.use([{ name: 'ads', url: url('/a') }], { folder, refreshSeconds: 3600 });
  await made.refresh();
  expect(textOf('/a')).toBeUndefined();
  expect(warned[0]).toMatch(/self-signed|certificate/);
  made.close();
});

test('a server begins without a list that it has not got yet, and a URL needs a folder', async () => {
  handle = (_, response) => response.end('a.example\n');
  const list = { name: 'ads', source: url('/a'), format: 'domains' } as const;
  const server = await TestServer.start(query => answerA(query), { lists: [list], blocking: { folder } });
  expect(server.server.report().lists).toMatchObject({ names: 0 });
  await server.close();
  await expect(TestServer.start(query => answerA(query), { lists: [list] })).rejects.toThrow(
    /lists\[0\]\.source: expected blocking\.folder, where copies of URLs are kept/,
  );
});
