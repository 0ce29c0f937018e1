// Every option of the server, by sections of rows. One schema serves createServer(), update() and the configuration file.
import { z } from 'zod';
import { ShardnsError, show } from '../../base/errors.js';
import { issueText } from '../../base/options.js';
import { MAX_GATE_PREFIXES } from '../../clients/gate.js';
import { cacheRows } from './cache.js';
import { clientRows } from './clients.js';
import { dns64Rows } from './dns64.js';
import { dnssecRows } from './dnssec.js';
import { fleetRows, wrongPlace } from './fleet.js';
import { listenerRows } from './listeners.js';
import { listRows, listSetsOf, listAlone, MAX_LIST_SETS } from './lists.js';
import { localRows } from './local.js';
import { mirrorRows } from './mirror.js';
import { observationRows, wrongRetention } from './observation.js';
import { openApiWithoutTls, operationRows } from './operation.js';
import { policyRows } from './policy.js';
import { recursionRows } from './recursion.js';
import { type Changed, changesOf, isSecretAt, type Rows, section, withoutSecrets } from './row.js';
import { listenWithoutCertificate, tlsRows } from './tls.js';
import { wrongZone, zoneRows } from './zones.js';
import { nameWithoutBootstrap, upstreamRows } from './upstreams.js';

/** The sections in the order of docs/options.md. */
export const SECTIONS = {
  Listeners: { ...listenerRows, ...tlsRows },
  Upstreams: upstreamRows,
  Cache: cacheRows,
  Fleet: fleetRows,
  'Local answers': { ...localRows, ...dns64Rows },
  Zones: zoneRows,
  Recursion: recursionRows,
  DNSSEC: dnssecRows,
  Clients: clientRows,
  Policy: { ...policyRows, ...listRows },
  Operation: { ...operationRows, ...observationRows, ...mirrorRows },
} as const satisfies Record<string, Rows>;

const rows = {
  ...listenerRows,
  ...tlsRows,
  ...upstreamRows,
  ...cacheRows,
  ...fleetRows,
  ...localRows,
  ...dns64Rows,
  ...zoneRows,
  ...recursionRows,
  ...dnssecRows,
  ...clientRows,
  ...policyRows,
  ...listRows,
  ...operationRows,
  ...observationRows,
  ...mirrorRows,
} as const satisfies Rows;

export const serverSchema = section(rows)
  .superRefine(({ cache, failure }, context) => {
    const ordered = (path: string[], least: number, most: number): void => {
      if (least <= most) return;
      context.addIssue({ code: 'custom', path, message: `expected at most its greatest value, which is ${most}` });
    };
    ordered(['cache', 'minTtlSeconds'], cache.minTtlSeconds, cache.maxTtlSeconds);
    ordered(['cache', 'negativeMinTtlSeconds'], cache.negativeMinTtlSeconds, cache.negativeMaxTtlSeconds);
    ordered(['failure', 'firstSeconds'], failure.firstSeconds, failure.maxSeconds);
  })
  .superRefine(({ allow, views, rateLimit, lists, dns64 }, context) => {
    const ofLists = lists.some(one => one.views.length > 0 || one.clients.length > 0) ? [...lists, ...views] : [];
    const count = [...views, ...ofLists].reduce(
      (sum, { clients }) => sum + clients.length,
      allow.length + rateLimit.exempt.length + dns64.clients.length,
    );
    if (count <= MAX_GATE_PREFIXES) return;
    const message = `expected at most ${MAX_GATE_PREFIXES} prefixes in allow, views, dns64.clients, rateLimit.exempt and lists together, which have ${count}`;
    context.addIssue({ code: 'custom', path: ['views'], message });
  })
  .superRefine((settings, context) => {
    const lost = listAlone(settings);
    if (lost !== undefined) context.addIssue({ code: 'custom', ...lost });
    // A client that is no address is told already, and of none a set can be made.
    if (context.issues.length > 0) return;
    const { sets } = listSetsOf(settings);
    if (sets.length <= MAX_LIST_SETS) return;
    const message = `expected lists of which clients have at most ${MAX_LIST_SETS} different selections, they have ${sets.length}`;
    context.addIssue({ code: 'custom', path: ['lists'], message });
  })
  .superRefine((settings, context) => {
    const nameless = nameWithoutBootstrap(settings);
    if (nameless !== undefined) context.addIssue({ code: 'custom', ...nameless });
  })
  .superRefine((settings, context) => {
    const wrong = wrongPlace(settings);
    if (wrong !== undefined) context.addIssue({ code: 'custom', ...wrong });
  })
  .superRefine((settings, context) => {
    const bare = listenWithoutCertificate(settings);
    if (bare !== undefined) context.addIssue({ code: 'custom', ...bare });
  })
  .superRefine((settings, context) => {
    const wrong = wrongZone(settings);
    if (wrong !== undefined) context.addIssue({ code: 'custom', ...wrong });
  })
  .superRefine((settings, context) => {
    const open = openApiWithoutTls(settings);
    if (open !== undefined) context.addIssue({ code: 'custom', ...open });
  })
  .superRefine((settings, context) => {
    const wrong = wrongRetention(settings);
    if (wrong !== undefined) context.addIssue({ code: 'custom', ...wrong });
  })
  .refine(settings => !settings.tenants.enabled || settings.views.length === 0, {
    path: ['views'],
    message: 'expected none where tenants.enabled is set: each sorts clients in its own way',
  })
  .refine(settings => !settings.tenants.enabled || settings.dns64.clients.length === 0, {
    path: ['dns64', 'clients'],
    message: 'expected none where tenants.enabled is set: each sorts clients in its own way',
  });

/** What createServer() takes. */
export type ServerOptions = z.input<typeof serverSchema>;
/** The same with every default filled in. */
export type ServerSettings = z.output<typeof serverSchema>;

export interface OptionIssue {
  /** `cache.memory`, `upstreams[1]`. */
  path: (string | number)[];
  message: string;
  value: unknown;
}

/** All that is wrong with an options object. */
export function checkOptions(input: unknown): { settings: ServerSettings } | { issues: OptionIssue[] } {
  const result = serverSchema.safeParse(input, { reportInput: true });
  if (result.success) return { settings: result.data };
  const issues: OptionIssue[] = [];
  const collect = (list: z.core.$ZodIssue[], base: (string | number)[]): void => {
    for (const issue of list) {
      const path = [...base, ...(issue.path as (string | number)[])];
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys)
          issues.push({ path: [...path, key], message: 'is not an option', value: valueAt(input, [...path, key]) });
      } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
        const forms = issue.errors as z.core.$ZodIssue[][];
        const meant = formMeant(forms);
        if (meant !== undefined) collect(meant, path);
        else issues.push({ path, message: `expected ${anyOf(forms)}`, value: valueAt(input, path) });
      } else {
        issues.push({
          path,
          message: issueText(issue.message),
          value: valueAt(input, path),
        });
      }
    }
  };
  collect(result.error.issues, []);
  return {
    issues: issues.map(issue =>
      isSecretAt(rows, issue.path, issue.value) ? { ...issue, value: '(not shown)' } : issue,
    ),
  };
}

/** Of several forms that a value may have, what is wrong with it in the one that was meant; undefined: it is none of them. */
function formMeant(forms: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  return forms.length === 1 ? forms[0] : forms.find(issues => !issues.some(isOfAnotherType));
}

function isOfAnotherType({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
  number: 'a number',
  boolean: 'true or false',
};

/** What the forms are, in the words of YAML. */
function anyOf(forms: z.core.$ZodIssue[][]): string {
  const words = forms.flatMap(issues => {
    const issue = issues.find(isOfAnotherType);
    if (issue?.code === 'invalid_value') return issue.values.map(String);
    return issue?.code === 'invalid_type' ? [WORDS[issue.expected] ?? issue.expected] : [];
  });
  return [...new Set(words)].join(' or ');
}

function valueAt(input: unknown, path: (string | number)[]): unknown {
  let value: unknown = input;
  for (const key of path) value = (value as Record<string | number, unknown> | undefined)?.[key];
  return value;
}

export function formatPath(path: (string | number)[]): string {
  if (path.length === 0) return 'options';
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

export function describeIssue(issue: OptionIssue): string {
  return `${formatPath(issue.path)}: ${issue.message}, got ${show(issue.value)}`;
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming every wrong option */
export function readOptions(input: unknown): ServerSettings {
  const result = checkOptions(input);
  if ('settings' in result) return result.settings;
  throw new ShardnsError('ERR_SHARDNS_OPTION', result.issues.map(describeIssue).join('; '));
}

/** What is different between two settings. */
export function changedSettings(before: ServerSettings, after: ServerSettings): Changed[] {
  return changesOf(rows, before, after);
}

/** Settings for those who may look at them. */
export function shownSettings(settings: ServerSettings): object {
  return withoutSecrets(rows, settings);
}
