// Scenarios: our own, and those of other resolvers where they are at hand.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { vectorsFolder } from '../support/vectors.js';
import { replayFile, scenarioFiles } from './main.js';
import { parseScenario } from './scenario.js';

const title = (file: string): string => parseScenario(readFileSync(file, 'utf8')).title;

describe('our own scenarios', () => {
  const files = scenarioFiles(new URL('scenarios', import.meta.url).pathname);
  test.each(files.map(file => [title(file), file]))('%s', async (_title, file) => {
    const { status, reason } = await replayFile(file, 'strict');
    expect({ status, reason }).toEqual({ status: 'pass', reason: '' });
  });
});

interface Described {
  file: string;
  confirmed_by?: string[];
  requires?: string[];
}

/** What this resolver does not do yet. */
const NOT_YET = new Set(
  'rpz ecs auth-zone xfr-in dns64 nat64 respip-module response-ip nsid zonemd autotrust-file'.split(' '),
);

const folder = vectorsFolder('unbound-rpl');
describe.skipIf(folder === undefined)('scenarios of other resolvers', () => {
  const confirmed = ['unbound-rpl', 'deckard-rpl'].flatMap(name => {
    const manifest = join(folder ?? '', name, 'MANIFEST.json');
    if (folder === undefined || !existsSync(manifest)) return [];
    return (JSON.parse(readFileSync(manifest, 'utf8')) as Described[])
      .filter(one => (one.confirmed_by ?? []).length > 0 && !(one.requires ?? []).some(need => NOT_YET.has(need)))
      .map(one => join(folder, name, one.file))
      .filter(file => !/^\s*(auto-)?trust-anchor(-file)?:/m.test(readFileSync(file, 'utf8').split('CONFIG_END')[0]));
  });

  test('there are some', () => {
    expect(confirmed.length).toBeGreaterThan(40);
  });
  test.each(confirmed.map(file => [file.slice((folder ?? '').length + 1), file]))(
    '%s has the outcome that another resolver confirms',
    async (_name, file) => {
      const { status, reason } = await replayFile(file, 'core');
      expect({ status, reason }).toEqual({ status: 'pass', reason: '' });
    },
  );
  // Of the rest: zones from another server; private addresses behind 64:ff9b::/96, which are not translated here (RFC 6052
  // section 3.1); and a policy that holds for what the validator itself asks for, which neither BIND nor this one has.
  const policies = folder === undefined ? [] : scenarioFiles(join(folder, 'unbound-rpl', 'rpz'));
  const notHere = /(axfr|ixfr|dns64|val_block)\.rpl$/;
  test.each(policies.filter(file => !notHere.test(file)).map(file => [title(file), file]))(
    'a response policy zone has the outcome that another resolver gives it: %s',
    async (_title, file) => {
      const { status, reason } = await replayFile(file, 'core');
      expect({ status, reason }).toEqual({ status: 'pass', reason: '' });
    },
  );
  // What is another's own: it believes a key that was pending without seeing it again, and a set signed by an anchor that is
  // not in it, and takes a zone whose keys were all revoked for unsigned; which extended error a failed look has.
  const elsewhere = /(2exceed|missing_returns|revtp|revtp_read|init_fail)\.rpl$/;
  const followed = folder === undefined ? [] : scenarioFiles(join(folder, 'unbound-rpl', 'autotrust'));
  test.each(followed.filter(file => !elsewhere.test(file)).map(file => [title(file), file]))(
    'anchors that follow a zone are in the states that another resolver has them in: %s',
    async (_title, file) => {
      const { status, reason } = await replayFile(file, 'core');
      expect({ status, reason }).toEqual({ status: 'pass', reason: '' });
    },
  );
  test('each file of the three collections is read', async () => {
    for (const name of ['unbound-rpl', 'deckard-rpl', 'domain-rpl']) {
      for (const file of scenarioFiles(join(folder!, name))) {
        expect(() => parseScenario(readFileSync(file, 'utf8')), file).not.toThrow();
      }
    }
  });
});
