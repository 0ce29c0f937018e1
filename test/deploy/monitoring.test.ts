// The dashboard of Grafana and the alert rules of Prometheus: each expression is of metrics that a server really prints, with
// labels that these have, used as what they are.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createServer } from '../../lib/admin/create-server.js';
import { FAMILIES, Metrics } from '../../lib/admin/metrics.js';
import type { Server } from '../../lib/server/server.js';
import { unpacked } from '../support/unpacked.js';

const RULES = 'deploy/prometheus/shardns.rules.yaml';
const DASHBOARD = 'deploy/grafana/shardns.json';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: Record<string, string>;
}
interface Panel {
  id: number;
  title: string;
  type: string;
  datasource: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { refId: string; expr: string; legendFormat: string }[];
}
const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap(group => group.rules);
const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
  panels: Panel[];
  templating: { list: { name: string; query: string }[] };
};
const expressions: [string, string, string][] = [
  ...rules.map((rule): [string, string, string] => [rule.alert, rule.expr, Object.values(rule.annotations).join(' ')]),
  ...dashboard.panels.flatMap(panel =>
    panel.targets.map((one): [string, string, string] => [`${panel.title} ${one.refId}`, one.expr, one.legendFormat]),
  ),
];

/** Labels that Prometheus adds to what it takes from a server. */
const OF_PROMETHEUS = ['instance', 'job'];
const HISTOGRAM = 'shardns_dns_request_duration_seconds';

interface Selector {
  metric: string;
  matchers: string[];
  /** Whether its growth is asked for. */
  grows: boolean;
}
/** Each metric that an expression names; the only words of PromQL before a brace or a range, and after a bracket that begins. */
function selectorsOf(expr: string): Selector[] {
  return [...expr.matchAll(/\b(shardns_\w+|up)\b(\{[^}]*\})?(\[[^\]]*\])?/g)].map(([, metric, braces = '', range]) => ({
    metric,
    matchers: [...braces.matchAll(/(\w+)(?:=~|!=|!~|=)"[^"]*"/g)].map(([, label]) => label),
    grows: range !== undefined,
  }));
}

const promtool = unpacked('prometheus', 'usr/bin/promtool');
let server: Server;
let text: string;
const printed = new Map<string, string>();
beforeAll(async () => {
  const upstreams = ['192.0.2.1'];
  server = await createServer({ listen: ['127.0.0.1:0'], threads: 1, cache: { memory: '1MiB' }, upstreams });
  text = await new Metrics(server).text();
  for (const [, name, kind] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) printed.set(name, kind);
});
afterAll(() => server.close());

const familyOf = (metric: string): { kind: string; labels: readonly string[] } | undefined => {
  if (metric === 'up') return { kind: 'gauge', labels: [] };
  if (metric.replace(/_(bucket|sum|count)$/, '') === HISTOGRAM) return { kind: 'counter', labels: ['le'] };
  return FAMILIES.find(one => one.name === metric);
};

describe('expressions', () => {
  test('are there at all', () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(dashboard.panels.length).toBeGreaterThan(15);
    for (const [name, expr] of expressions) expect(selectorsOf(expr), name).not.toEqual([]);
  });
  test.each(expressions)('%s names metrics that are printed', (_, expr) => {
    for (const { metric } of selectorsOf(expr)) {
      if (metric === 'up') continue;
      const name = metric.startsWith(HISTOGRAM) ? HISTOGRAM : metric;
      expect([...printed.keys()]).toContain(name);
    }
  });
  test.each(expressions)('%s uses labels that its metrics have, and counters by their growth', (_, expr, text) => {
    const selectors = selectorsOf(expr);
    const labels = new Set(OF_PROMETHEUS);
    for (const { metric, matchers, grows } of selectors) {
      const family = familyOf(metric)!;
      for (const matcher of matchers) expect([...family.labels, ...OF_PROMETHEUS], metric).toContain(matcher);
      expect(grows, `${metric} is a ${family.kind}`).toBe(family.kind === 'counter');
      for (const label of family.labels) labels.add(label);
    }
    for (const [, list] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
      for (const label of list.split(/, */)) expect([...labels]).toContain(label);
    }
    for (const [, label] of text.matchAll(/\{\{ *(?:\$labels\.)?(\w+) *\}\}/g)) expect([...labels]).toContain(label);
  });
  test.each(expressions)('%s has brackets that end', (_, expr) => {
    const depth = { '(': 0, '[': 0, '{': 0 };
    const ends: Record<string, keyof typeof depth> = { ')': '(', ']': '[', '}': '{' };
    for (const letter of expr) {
      if (letter in depth) depth[letter as keyof typeof depth]++;
      if (letter in ends) expect(--depth[ends[letter]]).toBeGreaterThanOrEqual(0);
    }
    expect(depth).toEqual({ '(': 0, '[': 0, '{': 0 });
  });
});

describe('the rules', () => {
  test('have names of their own, a severity and a summary', () => {
    expect(new Set(rules.map(rule => rule.alert)).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule.alert).toMatch(/^Shardns[A-Z]\w+$/);
      expect(['critical', 'warning']).toContain(rule.labels.severity);
      expect(rule.annotations.summary).not.toBe('');
      if (rule.for !== undefined) expect(rule.for).toMatch(/^\d+[smhd]$/);
    }
  });
  test.skipIf(promtool === undefined)('are such as promtool takes', () => {
    const { status, stdout, stderr } = spawnSync(promtool!, ['check', 'rules', RULES], { encoding: 'utf8' });
    expect(stdout + stderr).toContain('SUCCESS');
    expect(status).toBe(0);
  });
});

test.skipIf(promtool === undefined)('what a server prints is such as promtool takes', () => {
  const { status, stdout, stderr } = spawnSync(promtool!, ['check', 'metrics'], { encoding: 'utf8', input: text });
  expect(stdout + stderr).toBe('');
  expect(status).toBe(0);
});

describe('the dashboard', () => {
  test('has panels of one data source that is chosen, which do not overlap', () => {
    const variables = dashboard.templating.list.map(one => one.name);
    expect(variables).toEqual(['datasource', 'instance']);
    expect(dashboard.templating.list[1].query).toContain('shardns_cache_entries');
    const taken = new Set<string>();
    expect(new Set(dashboard.panels.map(panel => panel.id)).size).toBe(dashboard.panels.length);
    for (const { title, gridPos, datasource, targets } of dashboard.panels) {
      expect(datasource.uid).toBe('${datasource}');
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
      expect(new Set(targets.map(one => one.refId)).size).toBe(targets.length);
      for (const { expr } of targets) expect(expr, title).toContain('instance=~"$instance"');
    }
  });
});
