// What browsers download to see the dashboard.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const FOLDER = 'dist/dashboard';
const LIMIT_BYTES = 75_000;

test('the dashboard is at most 75 kB gzipped, and names nothing that is elsewhere', () => {
  const names = readdirSync(FOLDER).filter(name => /\.(?:html|js|css|svg)$/.test(name));
  expect(names).toEqual(expect.arrayContaining(['index.html', 'app.js', 'style.css']));
  const octets = names.map(name => gzipSync(readFileSync(join(FOLDER, name)), { level: 9 }).length);
  expect(octets.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(LIMIT_BYTES);
  const page = readFileSync(join(FOLDER, 'index.html'), 'utf8');
  const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(match => match[1]);
  expect(links.length).toBeGreaterThan(0);
  for (const link of links) expect(link).not.toMatch(/^(?:[a-z]+:)?\/\//i);
});
