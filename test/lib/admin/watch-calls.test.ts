// The query log and top lists by the control API and the command.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ServerOptions } from '../../../lib/server/settings/settings.js';
import type { ShownQuery } from '../../../lib/server/tap/query-log.js';
import { askTcp } from '../../support/client.js';
import { answerA, makeQuery, makeResponse } from '../../support/messages.js';
import { TestServer } from '../../support/test-server.js';

let folder: string;
let control: string;
let server: TestServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shardns-watch-'));
  control = join(folder, 'control.sock');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: ServerOptions = {}): Promise<void> {
  server = await TestServer.start(
    query => (query.includes('none') ? makeResponse(query, { rcode: 3 }) : answerA(query)),
    { control, queryLog: { enabled: true, clients: 'full' }, top: { enabled: true, clients: 'full' }, ...options },
  );
}
async function ask(...names: string[]): Promise<void> {
  for (const name of names) await askTcp(server!.server.addresses().tcp[0], [makeQuery(name)]);
}
function get(path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request({ socketPath: control, path }, response => {
      let text = '';
      response.on('data', chunk => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    })
      .on('error', reject)
      .end();
  });
}
async function logged(query: string): Promise<{ names: string[]; before: number | undefined }> {
  const { text } = await get(`/v1/querylog?${query}`);
  const { entries, before } = JSON.parse(text) as { entries: ShownQuery[]; before?: number };
  return { names: entries.map(one => one.name), before };
}
const run = (...args: string[]): Promise<{ status: number; out: string; error: string }> =>
  new Promise(resolve => {
    execFile(process.execPath, ['dist/cli/main.js', 'ctl', ...args, '--socket', control], (error, out, text) =>
      resolve({ status: error === null ? 0 : Number(error.code), out, error: text }),
    );
  });

describe('the query log', () => {
  test('is read newest first, by filters, and page by page', async () => {
    await start();
    await ask('a.example', 'a.example', 'b.none.example', 'c.example');
    expect(await logged('')).toEqual({
      names: ['c.example.', 'b.none.example.', 'a.example.', 'a.example.'],
      before: undefined,
    });
    expect((await logged('uncached')).names).toEqual(['c.example.', 'b.none.example.', 'a.example.']);
    expect((await logged('by=hit')).names).toEqual(['a.example.']);
    expect((await logged('rcode=nxdomain')).names).toEqual(['b.none.example.']);
    expect((await logged('name=none.example')).names).toEqual(['b.none.example.']);
    expect((await logged('client=127.0.0.1&type=A')).names).toHaveLength(4);
    expect((await logged('client=192.0.2.1')).names).toEqual([]);
    expect((await logged('slower=3600000')).names).toEqual([]);
    const first = await logged('limit=3');
    expect(first.names).toHaveLength(3);
    expect(await logged(`before=${first.before}`)).toEqual({ names: ['a.example.'], before: undefined });
  });
  test.each([
    ['client=somebody', 'client: expected a numeric address, got "somebody"'],
    ['rcode=WHAT', 'rcode: expected an rcode, such as NXDOMAIN, got "WHAT"'],
    ['limit=0', 'limit: expected a number from 1 to 1000, got "0"'],
    ['filter=x', 'filter: expected before, limit, client'],
  ])('%s is refused', async (query, message) => {
    await start();
    const { status, text } = await get(`/v1/querylog?${query}`);
    expect([status, (JSON.parse(text) as { detail: string }).detail]).toEqual([400, expect.stringContaining(message)]);
  });
  test('switched off, it says by which option it is on', async () => {
    await start({ queryLog: { enabled: false }, top: { enabled: false } });
    expect(await get('/v1/querylog')).toMatchObject({
      status: 409,
      text: expect.stringContaining('queryLog.enabled') as string,
    });
    expect(await get('/v1/top')).toMatchObject({ status: 409, text: expect.stringContaining('top.enabled') as string });
  });
});

describe('the command', () => {
  test('shows the log as a log is read, and the top lists', async () => {
    await start();
    await ask('a.example', 'a.example', 'b.none.example');
    const log = await run('log', '--uncached');
    expect([log.status, log.error]).toEqual([0, '']);
    const lines = log.out.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\S+Z 127\.0\.0\.1 tcp a\.example\. A NOERROR [\d.]+ ms upstream \S+$/);
    expect(lines[1]).toContain(' b.none.example. A NXDOMAIN ');
    expect((await run('log', '--limit', '1')).out).toMatch(/^more: --before 3\n/);
    expect((await run('log', '--name', 'nobody.example')).out).toBe('no such query is in the log\n');
    const top = await run('top', 'miss', 'name', '--current');
    expect(top.out).toMatch(/^miss by name: 2 in \d+ s\n1 [ab]\S+\n1 [ab]\S+\n$/);
    expect((await run('top', 'what')).status).toBe(1);
    expect((await run('top', '--suffix', 'x')).error).toContain('ctl top does not take --suffix');
  });
});
