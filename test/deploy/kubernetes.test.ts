// The chart, and the manifests that are made of it: rendered offline, and held against each other, the image and the command.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { parseMemory } from '../../lib/base/memory.js';
import { applyFlags, checkConfig } from '../../lib/cli/config.js';
import { checkOptions, type ServerOptions } from '../../lib/server/settings/settings.js';
import { mergeValues, renderChart, type Values } from '../../scripts/chart.mjs';

const CHART = join('deploy', 'helm', 'shardns');
const KUBERNETES = join('deploy', 'kubernetes');

interface Container {
  image: string;
  args: string[];
  env: { name: string; value: string }[];
  ports: { name: string; containerPort: number; protocol: string }[];
  resources: { limits: { memory: string } };
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext: object;
  startupProbe: Probe;
  readinessProbe: Probe;
  livenessProbe: Probe;
}
interface Probe {
  httpGet: { path: string; port: string };
}
interface Template {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> };
  spec: Record<string, unknown> & {
    containers: Container[];
    volumes: { name: string }[];
    terminationGracePeriodSeconds: number;
  };
}
type KubernetesObject = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; labels: Record<string, string> };
  data: Record<string, string>;
  spec: Record<string, unknown> & {
    selector: { matchLabels: Record<string, string> };
    template: Template;
    ports: { name: string; port: number; targetPort: string; protocol: string }[];
  };
};

const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as never);
const ownValues = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Values;

function objectsOf(values: Values): KubernetesObject[] {
  const whole = mergeValues(ownValues, values);
  const verdict = schema.safeParse(whole);
  expect(verdict.error?.issues ?? []).toEqual([]);
  return Object.values(renderChart(CHART, { name: 'dns', namespace: 'infra', values })).map(
    text => parse(text) as KubernetesObject,
  );
}
const only = (objects: KubernetesObject[], kind: string): KubernetesObject => {
  const found = objects.filter(one => one.kind === kind);
  expect(found, kind).toHaveLength(1);
  return found[0];
};
const valuesFiles = readdirSync(KUBERNETES).filter(file => file.endsWith('.values.yaml'));
const valuesOf = (file: string): Values => parse(readFileSync(join(KUBERNETES, file), 'utf8')) as Values;
const EVERYTHING: Values = {
  ipv6: true,
  imagePullSecrets: [{ name: 'registry' }],
  nodeSelector: { disk: 'ssd' },
  tolerations: [{ operator: 'Exists' }],
  podAnnotations: { team: 'dns' },
  service: { clusterIP: '10.96.0.53', annotations: { note: 'kept' } },
  podMonitor: { enabled: true, labels: { release: 'prometheus' } },
  networkPolicy: { enabled: true, clients: [{ podSelector: {} }], monitors: [{ podSelector: {} }] },
};

describe.each([
  ['as it is', {}],
  ['on each node', { kind: 'DaemonSet' }],
  ['with everything', EVERYTHING],
  ...valuesFiles.map((file): [string, Values] => [file, valuesOf(file)]),
])('the chart %s', (_, values) => {
  const objects = objectsOf(values);
  const kind = (values.kind ?? 'Deployment') as string;
  const workload = only(objects, kind);
  const { template } = workload.spec;
  const [container] = template.spec.containers;
  const portNames = container.ports.map(one => one.name);

  test('gives objects of one name, in the namespace of the release', () => {
    for (const one of objects) {
      expect(one.metadata.name).toBe('dns');
      expect(one.metadata.namespace).toBe('infra');
      expect(one.metadata.labels['app.kubernetes.io/instance']).toBe('dns');
    }
    expect(new Set(objects.map(one => one.kind)).size).toBe(objects.length);
  });

  test('selects the pods that it makes, from everywhere', () => {
    const labels = template.metadata.labels;
    const selectors = [
      workload.spec.selector.matchLabels,
      only(objects, 'Service').spec.selector as unknown as Record<string, string>,
      ...objects
        .filter(one => one.kind === 'PodDisruptionBudget' || one.kind === 'PodMonitor')
        .map(one => one.spec.selector.matchLabels),
      ...objects
        .filter(one => one.kind === 'NetworkPolicy')
        .map(one => (one.spec.podSelector as { matchLabels: Record<string, string> }).matchLabels),
    ];
    for (const selector of selectors) expect(labels).toMatchObject(selector);
  });

  test('leads to ports and volumes that the container has', () => {
    for (const { targetPort, port, protocol } of only(objects, 'Service').spec.ports) {
      expect(port).toBe(53);
      expect(container.ports).toContainEqual({ name: targetPort, containerPort: 5353, protocol });
    }
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      expect(portNames).toContain(probe.httpGet.port);
      expect(probe.httpGet.path).toMatch(/^\/(healthz|readyz)$/);
    }
    const volumes = template.spec.volumes.map(one => one.name);
    expect(container.volumeMounts.map(one => one.name).sort()).toEqual(volumes.toSorted());
    for (const one of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
      const ingress = one.spec.ingress as { ports: { port: string }[] }[];
      expect(ingress.flatMap(({ ports }) => ports.map(({ port }) => port)).sort()).toEqual(portNames.toSorted());
    }
  });

  test('runs a command with a configuration that it takes', () => {
    expect(container.args).toEqual(['serve', '--config', '/etc/shardns/shardns.yaml']);
    expect(container.volumeMounts).toContainEqual({ name: 'config', mountPath: '/etc/shardns', readOnly: true });
    const checked = checkConfig(only(objects, 'ConfigMap').data['shardns.yaml']);
    expect(checked).toHaveProperty('options');
    const { options } = checked as Extract<typeof checked, { options: object }>;
    const said = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
    const listen = said.SHARDNS_LISTEN.split(',');
    expect(listen).toEqual(values.ipv6 === true ? ['0.0.0.0:5353', '[::]:5353'] : ['0.0.0.0:5353']);
    expect(checkOptions(applyFlags(options, { listen, metrics: said.SHARDNS_METRICS }))).toHaveProperty('settings');
    // The region, and what Node and the rest of it need.
    const limit = parseMemory(`${container.resources.limits.memory}B`);
    expect(limit).toBeGreaterThanOrEqual(parseMemory(options.cache!.memory as string)! + parseMemory('150MiB')!);
  });

  test('gives the pod no rights, and time to go', () => {
    expect(template.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532 });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(template.spec).toMatchObject({ automountServiceAccountToken: false, dnsPolicy: 'Default' });
    expect(template.spec).not.toHaveProperty('hostNetwork');
    // It answers on while those who lead clients to it learn that it goes, and drains for ten seconds.
    const { options } = checkConfig(only(objects, 'ConfigMap').data['shardns.yaml']) as { options: ServerOptions };
    expect(options.lameduckSeconds).toBe(5);
    expect(container).not.toHaveProperty('lifecycle');
    expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(options.lameduckSeconds! + 10);
  });
});

test('a DaemonSet is asked by its own node alone, and has no budget that would hold up draining nodes', () => {
  const objects = objectsOf({ kind: 'DaemonSet' });
  expect(only(objects, 'Service').spec).toMatchObject({ internalTrafficPolicy: 'Local' });
  expect(objects.map(one => one.kind)).not.toContain('PodDisruptionBudget');
  expect(only(objectsOf({}), 'Service').spec).not.toHaveProperty('internalTrafficPolicy');
});

test('pods are made anew when the configuration changes, and only then', () => {
  const checksum = (config: Values): string =>
    only(objectsOf({ config }), 'Deployment').spec.template.metadata.annotations['checksum/config'];
  expect(checksum({ stale: { ttlSeconds: 10 } })).not.toBe(checksum({}));
  expect(checksum({})).toBe(checksum({}));
});

test.each([
  ['a key that there is not', { replica: 3 }],
  ['another kind', { kind: 'StatefulSet' }],
  ['no replica', { replicas: 0 }],
  ['an address to listen on, which the chart says', { config: { listen: ['0.0.0.0:53'] } }],
  ['less time than draining takes', { terminationGracePeriodSeconds: 5 }],
])('the schema of the values refuses %s', (_, values) => {
  expect(schema.safeParse(mergeValues(ownValues, values)).success).toBe(false);
});

test('the manifests are what the chart gives', () => {
  execFileSync(process.execPath, ['scripts/manifests.mjs', '--check'], { stdio: 'pipe' });
});

test.each(valuesFiles)('the manifests of %s are whole YAML documents of kinds that Kubernetes has', file => {
  const text = readFileSync(join(KUBERNETES, file.replace('.values.yaml', '.yaml')), 'utf8');
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  const KINDS: Record<string, string> = {
    ConfigMap: 'v1',
    Service: 'v1',
    Deployment: 'apps/v1',
    DaemonSet: 'apps/v1',
    PodDisruptionBudget: 'policy/v1',
    NetworkPolicy: 'networking.k8s.io/v1',
    PodMonitor: 'monitoring.coreos.com/v1',
  };
  for (const one of documents) {
    expect(one.errors).toEqual([]);
    const { kind, apiVersion } = one.toJS() as { kind: string; apiVersion: string };
    expect(apiVersion).toBe(KINDS[kind]);
  }
});

test('a template that cannot be rendered is an error that says why', () => {
  expect(() =>
    renderChart(CHART, { name: 'dns', namespace: 'infra', values: { image: { repository: null } } }),
  ).toThrow('has no value: {{ .Values.image.repository }}');
});
