// The image and the Compose file, read as their tools read them: these are not on every machine, nor are images to build from.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkConfig, flagsFromEnvironment, strangeVariables } from '../../lib/cli/config.js';
import { defaultControlPath } from '../../lib/cli/control-path.js';

const read = (file: string): string => readFileSync(join('deploy', 'docker', file), 'utf8');

interface Instruction {
  name: string;
  rest: string;
}
const instructions: Instruction[] = read('Dockerfile')
  .replace(/^\s*#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter(line => line !== '')
  .map(line => {
    const [, name, rest] = /^(\w+) +(.*)$/.exec(line)!;
    return { name, rest };
  });
const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
const inLast = (name: string): string[] => lastStage.filter(one => one.name === name).map(({ rest }) => rest);
const environment = Object.fromEntries(
  inLast('ENV').flatMap(rest => rest.split(' ').map(pair => pair.split('=') as [string, string])),
);

test('the image names what it is made of by a version', () => {
  const base = instructions.find(({ name, rest }) => name === 'ARG' && rest.startsWith('NODE_IMAGE='))!.rest;
  expect(base).toMatch(/^NODE_IMAGE=node:\d+(\.\d+)*-bookworm-slim$/);
  for (const { rest } of instructions.filter(({ name }) => name === 'FROM')) expect(rest).toMatch(/^\$\{NODE_IMAGE\}/);
});

test('the image has the client that a second level needs, of the version that the package takes', () => {
  const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  const given = instructions.find(({ name, rest }) => name === 'ARG' && rest.startsWith('REDIS_CLIENT='))!.rest;
  const [, name, major] = /^REDIS_CLIENT=(.+)@(\d+)$/.exec(given)!;
  expect(peerDependencies[name]).toMatch(new RegExp(`^\\^${major}\\.`));
  const installs = instructions.filter(({ rest }) => rest.startsWith('npm install'));
  for (const { rest } of installs) expect(rest).toMatch(/ \/tmp\/shardns\.tgz \$\{REDIS_CLIENT\} /);
});

test('the image runs as nobody, with what it may write prepared, and leaves nothing of its making behind', () => {
  const [user] = inLast('USER');
  expect(user).toBe('65532:65532');
  expect(inLast('RUN').join(' ')).toContain('install -d -o 65532 -g 65532 -m 0700 /run/shardns');
  expect(inLast('COPY')).toEqual(['--from=package /opt/shardns/node_modules /opt/shardns/node_modules']);
  expect(instructions.map(({ name }) => name)).not.toContain('ADD');
  expect(instructions.filter(({ rest }) => /\b(curl|wget|sudo|apt-get)\b/.test(rest))).toEqual([]);
});

test('commands of the image are run without a shell, so that signals reach the server', () => {
  for (const name of ['ENTRYPOINT', 'CMD']) expect(JSON.parse(inLast(name)[0])).toBeInstanceOf(Array);
  expect(inLast('ENTRYPOINT')).toEqual(['["shardns"]']);
  expect(inLast('STOPSIGNAL')).toEqual(['SIGTERM']);
  expect(inLast('HEALTHCHECK')[0]).toMatch(/CMD \["shardns", "ctl", "status"\]$/);
});

test('the environment of the image is one that the command reads, and says what is exposed', () => {
  expect(strangeVariables(environment)).toEqual([]);
  expect(flagsFromEnvironment(environment)).toMatchObject({ listen: ['0.0.0.0:5353'], metrics: '0.0.0.0:9153' });
  expect(inLast('EXPOSE')).toEqual(['5353/udp 5353/tcp 9153/tcp']);
  expect(defaultControlPath(environment, 65_532)).toBe('/run/shardns/control.sock');
});

test('the Compose file maps what the image exposes, keeps it read-only, and bounds it', () => {
  const { services, volumes } = parse(read('compose.yaml')) as {
    services: Record<string, Record<string, never>>;
    volumes: object;
  };
  const service = services.shardns as unknown as {
    ports: string[];
    volumes: string[];
    tmpfs: string[];
    cap_drop: string[];
    command: string[];
  };
  const exposed = inLast('EXPOSE')[0].split(' ');
  expect(service.ports.map(one => one.split(':').at(-1))).toEqual(exposed);
  // Nobody beyond the machine, until somebody says so.
  for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  expect(service.tmpfs[0]).toContain('/run/shardns:mode=0700,uid=65532');
  expect(service.volumes.map(one => one.split(':')[0]).filter(one => !one.startsWith('.'))).toEqual(
    Object.keys(volumes),
  );
  expect(service.command).toEqual(['serve', '--config', '/etc/shardns/shardns.yaml']);
  expect(service).toHaveProperty('mem_limit');
});

test('the configuration of the Compose file is good', () => {
  expect(checkConfig(read('shardns.yaml'))).toHaveProperty('options');
});
