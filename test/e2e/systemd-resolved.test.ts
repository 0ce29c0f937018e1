// systemd-resolved as a client over TLS, strictly, as laptops have it: in a name space of its own with the server, since it
// listens on 127.0.0.53. It needs neither systemd nor a bus.
//   SYSTEMD_RESOLVED=/path/of/systemd-resolved where it is not installed
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { unpacked } from '../support/unpacked.js';

const run = promisify(execFile);
const program = process.env.SYSTEMD_RESOLVED ?? unpacked('systemd-resolved', 'lib/systemd/systemd-resolved') ?? '';
const mayUnshare =
  spawnSync('unshare', ['-mn', ...'ip link add edge0 type veth peer name edge1'.split(' ')]).status === 0;
const may = existsSync(program) && mayUnshare && spawnSync('kdig', ['-V']).status === 0;
if (!may) console.warn('systemd-resolved, kdig or name spaces are not to be had: systemd-resolved is not asked');

const folder = mkdtempSync(join(tmpdir(), 'shardns-resolved-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** What clients of it are told, by a server whose certificate is for `dns.example` and that it calls `name`. */
async function asked(name: string, tries: number): Promise<string[]> {
  const authority = makeCertificate({ subject: 'authority', isAuthority: true });
  const { certificate, key } = makeCertificate({ names: ['dns.example'], issuer: authority });
  const authorities = file('authority.pem', authority.certificate);
  const config = file(
    'config.json',
    JSON.stringify({
      listen: ['tls://127.0.0.1:853'],
      upstreams: ['127.0.0.1:9'],
      control: false,
      local: { records: ['r.e2e.example A 192.0.2.25', 'r.e2e.example TXT "over TLS"'] },
      tls: { certificate: file('c.pem', certificate), key: file('k.pem', key), names: ['dns.example'] },
    }),
  );
  file('passwd', 'root:x:0:0::/:/bin/sh\nsystemd-resolve:x:0:0::/:/bin/false\n');
  file(
    'resolved.conf',
    `[Resolve]\nDNS=127.0.0.1#${name}\nDomains=~.\nDNSOverTLS=yes\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nReadEtcHosts=no\n`,
  );
  const script = file(
    'script',
    `set -e
ip link set lo up
# It asks nobody while no link leads anywhere.
ip link add edge0 type veth peer name edge1
ip addr add 198.51.100.1/24 dev edge0
ip link set edge0 up
ip link set edge1 up
mount --bind ${folder}/passwd /etc/passwd
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/resolve /run/systemd/netif/links /etc/systemd
mount -t tmpfs tmpfs /etc/systemd
cp ${folder}/resolved.conf /etc/systemd/
${process.execPath} ${resolve('dist/cli/main.js')} serve --config ${config} > ${folder}/log 2>&1 & server=$!
SSL_CERT_FILE=${authorities} ${program} > ${folder}/resolved.log 2>&1 & client=$!
trap 'kill -9 $server $client' EXIT
for i in $(seq 100); do grep -q listening ${folder}/log && break; sleep 0.1; done
for i in $(seq ${tries}); do
  kdig @127.0.0.53 +short +retry=0 +timeout=2 r.e2e.example A 2>/dev/null | grep -q . && break; sleep 0.1
done
for type in A TXT AAAA; do kdig @127.0.0.53 +short +retry=0 +timeout=20 r.e2e.example $type || true; done
`,
  );
  const { stdout } = await run('unshare', ['-mn', 'bash', script], { timeout: 100_000 });
  return stdout.split('\n').filter(line => line !== '' && !line.startsWith(';;'));
}

describe.skipIf(!may)('systemd-resolved', () => {
  test('asks over TLS for those that ask it in plain text', async () => {
    expect(await asked('dns.example', 15)).toEqual(['192.0.2.25', '"over TLS"']);
  });

  test('gets nothing by a certificate that is for another', async () => {
    expect((await asked('other.example', 2)).join(' ')).not.toContain('192.0.2.25');
  }, 240_000);
});
