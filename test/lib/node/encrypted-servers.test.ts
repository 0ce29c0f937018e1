// Lookups and resolvers whose servers are asked over TLS and HTTPS, and in no other way.
import { createHash, createPublicKey } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { CachedLookup, DnsClient, Resolver } from '../../../lib/node/index.js';
import { makeCertificate, type MadeCertificate } from '../../support/certificate.js';
import { encryptedUpstream, type EncryptedUpstream } from '../../support/encrypted-upstream.js';

const its = makeCertificate({ names: ['dns.example'] });
const other = makeCertificate({ names: ['other.example'] });
const pinOf = ({ privateKey }: MadeCertificate): string =>
  createHash('sha256')
    .update(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
    .digest('base64');

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
async function upstream(scheme: 'tls' | 'https'): Promise<EncryptedUpstream> {
  const made = await encryptedUpstream(scheme, its);
  ends.push(() => made.close());
  return made;
}
/** Its address, or the error. */
const addressOf = (from: CachedLookup, name: string): Promise<unknown> =>
  new Promise((resolve, reject) =>
    from.lookup(name, { family: 4 }, (error, address) => (error ? reject(error) : resolve(address))),
  );
const OPTIONS = { hostsFile: false, resolvConf: false, timeoutMs: 20_000 } as const;

test.each(['tls', 'https'] as const)('%s: lookups are asked there, and nothing else leaves', async scheme => {
  const server = await upstream(scheme);
  using lookup = new CachedLookup({
    ...OPTIONS,
    servers: [`${scheme}://127.0.0.1:${server.port}?pin-sha256=${pinOf(its)}`],
  });
  const found = await Promise.all(['a', 'b', 'c'].map(name => addressOf(lookup, `${name}.example`)));
  expect(found).toEqual(Array(3).fill('192.0.2.7'));
  expect(server.asked.toSorted()).toEqual(['a.example', 'b.example', 'c.example']);
  expect(server.plain).toBe(0);
});

test.each(['tls', 'https'] as const)('%s: a server that does not prove who it is gets no question', async scheme => {
  const server = await upstream(scheme);
  const at = `${scheme}://127.0.0.1:${server.port}`;
  using lookup = new CachedLookup({
    ...OPTIONS,
    timeoutMs: 1500,
    servers: [`${at}?pin-sha256=${pinOf(other)}`, `${at}#dns.example`, at],
  });
  await expect(addressOf(lookup, 'a.example')).rejects.toMatchObject({ code: 'EAI_AGAIN' });
  expect([server.asked, server.plain]).toEqual([[], 0]);
});

test.each(['tls', 'https'] as const)(
  '%s: setServers of a Resolver takes them, and getServers tells them',
  async scheme => {
    const server = await upstream(scheme);
    const resolver = new Resolver();
    ends.push(() => resolver.close());
    const text = `${scheme}://127.0.0.1:${server.port}${scheme === 'https' ? '/dns-query' : ''}?pin-sha256=${pinOf(its)}`;
    resolver.setServers([text]);
    expect(resolver.getServers()).toEqual([text]);
    expect(await resolver.resolve4('a.example')).toEqual(['192.0.2.7']);
    expect(server.plain).toBe(0);
    expect(() => resolver.setServers(['tls://dns.example'])).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }),
    );
  },
);

test.each(['tls://dns.example', 'https://dns.example/dns-query', 'tls://', 'ftp://192.0.2.1', 'https://192.0.2.1/a b'])(
  '%s is refused: servers have addresses',
  text => {
    expect(() => new DnsClient({ servers: [text] })).toThrow(/^servers.*tls:\/\/ADDRESS#NAME/);
  },
);
