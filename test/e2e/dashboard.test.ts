// The dashboard in a browser, over a real server: each view and each thing that can be done there, by mouse and by keyboard, in
// light and dark, wide and narrow. Pictures of it are left in build/screenshots.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '../../lib/admin/create-server.js';
import { hashOf } from '../../lib/admin/tokens.js';
import type { Server } from '../../lib/server/server.js';
import { askUdp } from '../support/client.js';
import { DnsServer } from '../support/dns-server.js';
import { makeQuery, rcodeOf } from '../support/messages.js';

const CHROMIUM = '/usr/bin/chromium';
const missing = existsSync(CHROMIUM) ? [] : [CHROMIUM];
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: the tests of the dashboard are skipped`);
}
/** For a machine that has other things to do: nothing here is about time. */
const WAIT_MS = 120_000;
const PICTURES = join('build', 'screenshots');
const SECRETS = { read: 'r'.repeat(43), write: 'w'.repeat(43) };
/** Labels and texts that would be code, if anything took them for HTML. */
const HOSTILE = '<svg/onload=hit=1>.example';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIEWS = ['overview', 'upstreams', 'queries', 'cache', 'zones', 'trace', 'lists', 'configuration'] as const;

const folder = mkdtempSync(join(tmpdir(), 'shardns-dashboard-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(missing.length > 0)('the dashboard', () => {
  let browser: Browser;
  let upstream: DnsServer;
  let server: Server;
  let url: string;
  /** What pages have asked of others, and what has gone wrong in them. */
  let foreign: string[];
  let faults: string[];

  beforeAll(async () => {
    mkdirSync(PICTURES, { recursive: true });
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
      timeout: WAIT_MS,
    });
  }, 2 * WAIT_MS);
  afterAll(() => browser.close());

  beforeEach(async () => {
    [foreign, faults] = [[], []];
    const tokens = join(folder, 'tokens');
    const lines = Object.entries(SECRETS).map(
      ([scope, secret]) => `${scope} ${hashOf(secret).toString('hex')} ${scope}er`,
    );
    writeFileSync(tokens, `${lines.join('\n')}\n`, { mode: 0o600 });
    const lists = join(folder, 'list');
    writeFileSync(lists, 'ads.example\n');
    upstream = await DnsServer.start({
      'www.example': { A: [{ type: 'A', name: 'www.example', ttl: 3600, data: '192.0.2.7' }] },
      [HOSTILE]: { TXT: [{ type: 'TXT', name: HOSTILE, ttl: 3600, data: '<img src=x onerror=hit=2>' }] },
    });
    server = await createServer({
      listen: ['127.0.0.1:0'],
      threads: 1,
      cache: { memory: '1MiB' },
      upstreams: [upstream.address],
      // Nobody listens there.
      secondLevel: { redis: ['redis://127.0.0.1:1'] },
      lists: [{ name: 'ads', source: lists, format: 'domains' }],
      api: { listen: '127.0.0.1:0', tokens },
    });
    url = server.controlUrl!;
    for (const [name, type] of [
      ['www.example', 'A'],
      [HOSTILE, 'TXT'],
    ]) {
      expect(rcodeOf((await ask(name, type))!)).toBe(0);
    }
  }, WAIT_MS);
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await server.close();
    upstream.close();
    expect(foreign).toEqual([]);
    expect(faults).toEqual([]);
  }, WAIT_MS);

  const ask = (name: string, type = 'A'): Promise<Buffer | undefined> =>
    askUdp(server.addresses().udp[0], makeQuery(name, { type }), WAIT_MS);

  interface Look {
    width?: number;
    scheme?: 'light' | 'dark';
    scope?: keyof typeof SECRETS | 'none';
    view?: (typeof VIEWS)[number];
  }
  async function open({
    width = 1280,
    scheme = 'light',
    scope = 'write',
    view = 'overview',
  }: Look = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: scheme });
    context.setDefaultTimeout(WAIT_MS / 2);
    const page = await context.newPage();
    page.on('request', request => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== url && protocol !== 'data:') foreign.push(request.url());
    });
    page.on('pageerror', error => faults.push(error.message));
    if (scope === 'none') await page.goto(url);
    else {
      await page.goto(`${url}/#token=${SECRETS[scope]}`);
      await heading(page, 'Overview');
      if (view !== 'overview') await page.goto(`${url}/#${view}`);
    }
    return page;
  }
  const heading = (page: Page, name: string): Promise<void> => page.getByRole('heading', { name, level: 1 }).waitFor();
  const status = (page: Page, text: string | RegExp): Promise<void> =>
    page.getByRole('status').filter({ hasText: text }).waitFor();
  const button = (page: Page, name: string, exact = true) => page.getByRole('button', { name, exact });
  async function notRun(page: Page): Promise<void> {
    expect(await page.evaluate('typeof hit')).toBe('undefined');
    expect(await page.locator('svg, main img').count()).toBe(0);
  }

  test(
    'a token behind # begins a session that a reload keeps, and is in no address',
    async () => {
      const page = await open();
      expect(page.url()).toBe(`${url}/`);
      await page.reload();
      await heading(page, 'Overview');
      expect(await page.evaluate('document.cookie')).toBe('');
      await button(page, 'Leave').click();
      await page.getByLabel('Token').waitFor();
      await page.reload();
      await page.getByLabel('Token').waitFor();
    },
    WAIT_MS,
  );

  test(
    'a token that is typed in begins a session, a wrong one says so',
    async () => {
      const page = await open({ scope: 'none' });
      await page.getByLabel('Token').fill('wrong');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').filter({ hasText: 'the token is not one of api.tokens' }).waitFor();
      await page.getByLabel('Token').fill(SECRETS.read);
      await button(page, 'Enter').click();
      await heading(page, 'Overview');
    },
    WAIT_MS,
  );

  test(
    'the first view has what was before it, and goes on with what comes',
    async () => {
      // The server keeps a history from the first request on.
      const early = await open();
      await early.locator('.chart canvas').first().waitFor();
      const page = await open();
      await page.locator('.chart canvas').first().waitFor();
      const ms = await page.evaluate('performance.now()');
      console.log(`the first view was there ${Math.round(ms as number)} ms after its address was asked for`);
      expect(await page.locator('.chart canvas').count()).toBe(4);
      const chart = page.getByRole('img', { name: 'Queries a second, by how they were answered' });
      expect(await chart.getAttribute('aria-label')).toMatch(/now: hit .*stale .*miss .*refused .*dropped /);
      const entries = page.locator('.tiles div', { hasText: 'Entries' }).locator('dd');
      await entries.filter({ hasText: /^2$/ }).waitFor();
      expect(rcodeOf((await ask('other.example'))!)).toBe(3);
      await entries.filter({ hasText: /^3$/ }).waitFor();
      for (const name of ['6 h', '8 d', '15 min']) {
        await button(page, name).click();
        await page.locator(`button[aria-pressed=true]`, { hasText: name }).waitFor();
      }
    },
    WAIT_MS,
  );

  test(
    'upstreams are shown with what they were asked',
    async () => {
      const page = await open({ view: 'upstreams' });
      const row = page.getByRole('row').filter({ hasText: upstream.address });
      await row.waitFor();
      expect(await row.locator('td').nth(1).textContent()).toBe('2');
      expect(await row.locator('td').last().textContent()).toBe('asked');
    },
    WAIT_MS,
  );

  test(
    'names and records full of HTML are shown as text, and a name is forgotten',
    async () => {
      const page = await open({ view: 'cache' });
      await button(page, 'Show').click();
      await page.getByText('2 entries').waitFor();
      await notRun(page);
      await page.getByLabel('Type').fill('TXT');
      await button(page, 'Show').click();
      await page.getByText('1 entries').waitFor();
      await button(page, '<svg/onload=hit=1>.example', false).first().click();
      await page.locator('pre', { hasText: '<img src=x onerror=hit=2>' }).waitFor();
      await notRun(page);
      await page.getByLabel('At and below').fill('www.example');
      await page.getByLabel('Type').fill('');
      await button(page, 'Show').click();
      await button(page, 'Forget www.example', false).click();
      await status(page, 'Forgotten: www.example');
      expect(await page.getByRole('row').filter({ hasText: 'www.example' }).count()).toBe(0);
      const { asked } = upstream;
      const before = asked.length;
      await ask('www.example');
      expect(asked).toHaveLength(before + 1);
      await page.getByLabel('At and below').fill('a..b');
      await button(page, 'Show').click();
      await page.getByRole('alert').waitFor();
      await button(page, 'Close').click();
      expect(await page.getByRole('alert').count()).toBe(0);
    },
    WAIT_MS,
  );

  test(
    'a trace shows each step, of a name full of HTML too',
    async () => {
      const page = await open({ view: 'trace' });
      await page.getByLabel('Name').fill('www.example');
      await page.getByLabel('ask anew').check();
      await button(page, 'Trace').click();
      await page.locator('.trace li', { hasText: upstream.address }).first().waitFor();
      await page.locator('.trace li', { hasText: '192.0.2.7' }).first().waitFor();
      await page.getByLabel('Name').fill(HOSTILE);
      await page.getByLabel('Type').fill('TXT');
      await button(page, 'Trace').click();
      await page.locator('.trace li', { hasText: '<svg/onload=hit=1>' }).first().waitFor();
      await notRun(page);
    },
    WAIT_MS,
  );

  test(
    'a name is blocked, allowed, left to the lists, and blocking pauses',
    async () => {
      const page = await open({ view: 'lists' });
      await page.getByLabel('Name').fill('ads.example');
      await button(page, 'Why').click();
      await status(page, /^ads\.example\.: blocked \(nxdomain\) by list ads, line 1$/);
      await button(page, 'Allow').click();
      await status(page, 'ads.example: allowed, until the server ends');
      await button(page, 'As the lists say').click();
      await status(page, 'ads.example: as the lists say');
      await page.getByLabel('Name').fill('www.example');
      await button(page, 'Block').click();
      await status(page, 'www.example: blocked');
      expect(rcodeOf((await ask('www.example'))!)).toBe(3);
      await button(page, 'Pause 5 min').click();
      await status(page, 'Nothing is blocked for');
      expect(rcodeOf((await ask('www.example'))!)).toBe(0);
      await button(page, 'Go on').click();
      await status(page, 'Blocking goes on.');
      await page.getByLabel('Name').fill('<b>bold</b>.example');
      await button(page, 'Why').click();
      await status(page, '<b>bold</b>.example.: no list has it');
      expect(await page.locator('main b').count()).toBe(0);
    },
    WAIT_MS,
  );

  test(
    'a change of options is checked, applied, and refused over a state that it was not made for',
    async () => {
      const page = await open({ view: 'configuration' });
      const change = page.getByLabel('A change');
      await change.fill('{ "cache": { "maxTtlSeconds": ');
      await button(page, 'Check').click();
      await status(page, 'This is not JSON');
      await change.fill('{ "cache": { "maxTtlSeconds": -1 } }');
      await button(page, 'Apply').click();
      await status(page, 'cache.maxTtlSeconds');
      expect(server.settings.cache.maxTtlSeconds).not.toBe(-1);
      await change.fill('{ "stale": { "ttlSeconds": 17 } }');
      await button(page, 'Check').click();
      await status(page, 'This may be applied.');
      await button(page, 'Apply').click();
      await status(page, 'Applied, until the server ends');
      expect(server.settings.stale.ttlSeconds).toBe(17);
      await page.locator('pre', { hasText: '"ttlSeconds": 17' }).waitFor();
      await server.update({ stale: { ttlSeconds: 18 } });
      await change.fill('{ "stale": { "ttlSeconds": 19 } }');
      await button(page, 'Apply').click();
      await page.locator('pre', { hasText: '"ttlSeconds": 18' }).waitFor();
      expect(server.settings.stale.ttlSeconds).toBe(18);
      await button(page, 'Apply').click();
      await page.locator('pre', { hasText: '"ttlSeconds": 19' }).waitFor();
    },
    WAIT_MS,
  );

  test(
    'the page of upstreams has the second level, and why it is not there',
    async () => {
      const page = await open({ view: 'upstreams' });
      await page.getByRole('row').filter({ hasText: upstream.address }).waitFor();
      await page
        .getByRole('row', { name: /^redis:\/\/127\.0\.0\.1:1 .* not followed not connected: .*ECONNREFUSED/ })
        .waitFor();
    },
    WAIT_MS,
  );

  test(
    'a session that may read is offered nothing else',
    async () => {
      const page = await open({ scope: 'read', view: 'cache' });
      await button(page, 'Show').click();
      await page.getByText('2 entries').waitFor();
      expect(await button(page, 'Forget', false).count()).toBe(0);
      await page.goto(`${url}/#lists`);
      await heading(page, 'Lists');
      for (const name of ['Block', 'Allow', 'Pause 5 min']) expect(await button(page, name).count()).toBe(0);
      await page.goto(`${url}/#configuration`);
      await heading(page, 'Configuration');
      expect(await button(page, 'Apply').count()).toBe(0);
    },
    WAIT_MS,
  );

  test(
    'all of it is reached by the keyboard',
    async () => {
      const page = await open();
      await page.reload();
      await heading(page, 'Overview');
      await page.keyboard.press('Tab');
      const focused = (): Promise<unknown> =>
        page.evaluate('(document.activeElement.textContent || document.activeElement.name || "").trim()');
      expect(await focused()).toBe('To the content');
      await page.keyboard.press('Enter');
      expect(await page.evaluate('document.activeElement.id')).toBe('content');
      await page.reload();
      await heading(page, 'Overview');
      const reached: unknown[] = [];
      for (let i = 0; i < 20; i++) {
        await page.keyboard.press('Tab');
        reached.push(await focused());
      }
      expect(reached).toEqual(
        expect.arrayContaining([
          'Overview',
          'Upstreams',
          'Queries',
          'Cache',
          'Trace',
          'Lists',
          'Zones',
          'Configuration',
          'Leave',
          '15 min',
          '8 d',
        ]),
      );
      await page.getByRole('link', { name: 'Cache' }).focus();
      await page.keyboard.press('Enter');
      await heading(page, 'Cache');
      await page.getByLabel('At and below').focus();
      await page.keyboard.type('www.example');
      await page.keyboard.press('Enter');
      await page.getByText('1 entries').waitFor();
      await button(page, 'www.example', false).first().focus();
      await page.keyboard.press('Enter');
      await page.locator('pre', { hasText: '192.0.2.7' }).waitFor();
    },
    WAIT_MS,
  );

  test(
    'a server that is gone is said to be',
    async () => {
      const page = await open();
      await page.locator('.state.good').waitFor();
      await server.close();
      await page.getByText('not connected').waitFor();
    },
    WAIT_MS,
  );

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const)(
    'no view has faults of accessibility, or is wider than its window (%s, %i px)',
    async (scheme, width) => {
      const page = await open({ scheme, width });
      for (const view of VIEWS) {
        await page.goto(`${url}/#${view}`);
        await heading(page, view[0].toUpperCase() + view.slice(1));
        if (view === 'overview') await page.locator('.chart canvas').first().waitFor();
        if (view === 'cache') {
          await button(page, 'Show').click();
          await page.getByText('2 entries').waitFor();
        }
        await page.screenshot({ path: join(PICTURES, `${view}-${scheme}-${width}.png`), fullPage: true });
        expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBeLessThanOrEqual(width);
        await page.evaluate(AXE);
        const found = await page.evaluate(
          'axe.run(document).then(({ violations }) => violations.map(one => `${one.impact} ${one.id}: ${one.nodes.map(node => node.target).join(", ")}`))',
        );
        expect(found, view).toEqual([]);
      }
    },
    2 * WAIT_MS,
  );

  test(
    'the page before a session has no faults of accessibility',
    async () => {
      const page = await open({ scope: 'none' });
      await page.getByLabel('Token').waitFor();
      await page.screenshot({ path: join(PICTURES, 'token-light-1280.png') });
      await page.evaluate(AXE);
      const found = await page.evaluate('axe.run(document).then(({ violations }) => violations.map(one => one.id))');
      expect(found).toEqual([]);
    },
    WAIT_MS,
  );
});
