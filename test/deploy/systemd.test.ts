// The units of systemd: what systemd itself says of them, and what they may not have.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkConfig } from '../../lib/cli/config.js';
import { takeInherited } from '../../lib/server/listeners/inherited.js';

const UNITS = ['shardns.service', 'shardns.socket'];
/** Of 10: as little may be done with a process of the unit, as systemd reckons. */
const MAX_EXPOSURE = 2.0;
const textOf = (unit: string): string => readFileSync(join('deploy', 'systemd', unit), 'utf8');
const valuesOf = (unit: string, key: string): string[] =>
  [...textOf(unit).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value);

const missing = ['systemd-analyze'].filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
  console.warn(`not installed: ${missing.join(' ')}: what systemd says of its units is skipped`);
}
// As they are installed, but for a program that this machine has.
const folder = mkdtempSync(join(tmpdir(), 'shardns-units-'));
for (const unit of UNITS) {
  writeFileSync(join(folder, unit), textOf(unit).replace(/^(Exec(?:Start|Reload)=)\S+/gm, `$1${process.execPath}`));
}
afterAll(() => rmSync(folder, { recursive: true }));
function analyze(...args: string[]): { status: number | null; text: string } {
  const env = { ...process.env, SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '', LC_ALL: 'C' };
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8', env });
  return { status, text: stdout + stderr };
}

describe.skipIf(missing.length > 0)('systemd', () => {
  test('finds nothing wrong in the units', () => {
    const { status, text } = analyze('verify', '--man=no', ...UNITS.map(unit => join(folder, unit)));
    // Units of the machine that these refer to are none of ours.
    const ours = text.split('\n').filter(line => line.includes('shardns'));
    expect(ours).toEqual([]);
    expect(status).toBe(0);
  });

  test(`reckons the service's exposure at ${MAX_EXPOSURE} of 10 at the most`, () => {
    const { text } = analyze('security', '--offline=true', join(folder, 'shardns.service'));
    const level = /Overall exposure level for shardns\.service: ([\d.]+)/.exec(text);
    expect(level, text).not.toBeNull();
    console.log(`exposure: ${level![1]} of 10`);
    expect(Number(level![1])).toBeLessThanOrEqual(MAX_EXPOSURE);
  });
});

test('the service has nothing that ends Node, takes its port away, or keeps it from being watched', () => {
  expect(valuesOf('shardns.service', 'MemoryDenyWriteExecute')).toEqual([]);
  expect(valuesOf('shardns.service', 'PrivateUsers')).toEqual([]);
  expect(valuesOf('shardns.service', 'Type')).toEqual(['notify']);
  // Who starts it by a shell or npm would be another process than the one that tells of itself.
  expect(valuesOf('shardns.service', 'ExecStart')).toEqual([
    '/usr/local/bin/shardns serve --config /etc/shardns/shardns.yaml',
  ]);
  expect(valuesOf('shardns.service', 'ExecReload')[0]).toContain('-HUP');
});

test('the sockets are such as the server takes: one of TCP and some of UDP at each address', () => {
  const addresses = (key: string): string[] => valuesOf('shardns.socket', key);
  const handed = [
    ...addresses('ListenDatagram').map(text => ({ text, datagrams: true })),
    ...addresses('ListenStream').map(text => ({ text, datagrams: false })),
  ].map(({ text, datagrams }) => {
    const [, address, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text)!;
    const bothFamilies = valuesOf('shardns.socket', 'BindIPv6Only')[0] !== 'ipv6-only' && address === '::';
    return { address, port: Number(port), datagrams, bothFamilies };
  });
  const environment = { LISTEN_PID: '7', LISTEN_FDS: String(handed.length), LISTEN_FDNAMES: 'dns' };
  const sockets = takeInherited(environment, 7, fd => handed[fd - 3]);
  expect(sockets.listen).toEqual(['127.0.0.1:53', '[::1]:53']);
  expect(valuesOf('shardns.socket', 'ReusePort')).toEqual(['yes']);
});

test('the configuration that is beside them is good', () => {
  expect(checkConfig(textOf('shardns.yaml'))).toHaveProperty('options');
});
