// What encrypted listeners show, how they shake hands, and what clients are told of them.
import { z } from 'zod';
import { isIP } from 'node:net';
import { count, pathOption } from '../../base/options.js';
import { encodeName } from '../../wire/name.js';
import { endpointsOf } from '../listeners/endpoint.js';
import { type Rows, section } from './row.js';
import { address, parsed } from './types.js';

const nameOrAddress = parsed(text => isIP(text) !== 0 || encodeName(text));
const names = z.array(nameOrAddress).max(64);

const certificate = section({
  certificate: { schema: pathOption, change: 'live', why: 'As `tls.certificate`.' },
  key: { schema: pathOption, change: 'live', why: 'As `tls.key`.' },
  names: {
    schema: names.default([]),
    change: 'live',
    why: 'As `tls.names`: clients that ask for one of these, or for a name of the certificate, are shown it.',
  },
});

const tickets = section({
  file: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'A file with a secret of 32 to 256 octets, as hexadecimal digits or base64 (`openssl rand -hex 48`), the same on all servers that clients may come back to: the keys of session tickets are derived from it, another one each day (UTC). Read again when it changes. By default keys are drawn at random, and a session is resumed where it began only.',
  },
});

const tls = section({
  certificate: {
    schema: pathOption.optional(),
    change: 'live',
    why: "A file with the server's certificate and those above it (PEM), read again when it changes, and at SIGHUP: new connections get the new one. One that has expired, or is not for its key, is refused. Clients that ask for no name, or for none that another certificate is for, are shown this one.",
  },
  key: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'A file with its private key (PEM), without a passphrase.',
  },
  names: {
    schema: names.default([]),
    change: 'live',
    why: 'Names and addresses that clients know the server by: a certificate that is not for all of them is refused. The names are told to clients that ask how the server is asked encrypted (`ddr`).',
  },
  certificates: {
    schema: z.array(certificate).max(64).default([]),
    change: 'live',
    why: 'Certificates beside that one, or in its place: which of them a client is shown goes by the name that it asks for (SNI, RFC 6066 section 3); the first is for all who ask for none.',
  },
  tickets: {
    schema: tickets.prefault({}),
    change: 'live',
    why: 'By which keys sessions are resumed (RFC 8446 section 4.6.1).',
  },
  handshakesPerSecond: {
    schema: count(0, 1_000_000).default(100),
    change: 'live',
    why: 'Whole handshakes a second of one client (address, IPv6 /56), with five times as many at once; a resumed one counts half. Connections beyond are closed before they cost a signature. Proxies of `forwarded` are not counted. 0: no limit.',
  },
  minVersion: {
    schema: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
    change: 'live',
    why: 'The oldest version of TLS that clients may speak (RFC 9325 section 3.1).',
  },
  handshakeTimeoutMs: {
    schema: count(100, 60_000).default(5000),
    change: 'live',
    why: 'How long a client has from connecting until it has shaken hands.',
  },
}).superRefine((settings, context) => {
  for (const [one, other] of [['certificate', 'key'] as const, ['key', 'certificate'] as const]) {
    if (settings[one] === undefined || settings[other] !== undefined) continue;
    context.addIssue({ code: 'custom', path: [other], message: `expected a file beside tls.${one}` });
  }
  const all = certificatesOf(settings);
  if (settings.certificate === undefined && settings.key === undefined && all.length === 0) {
    context.addIssue({ code: 'custom', path: [], message: 'expected certificate and key, or certificates' });
  }
  const owners = new Map<string, number>();
  for (const [at, one] of settings.certificates.entries()) {
    for (const [i, name] of one.names.entries()) {
      const key = name.toLowerCase().replace(/\.$/, '');
      if (owners.has(key) || settings.names.some(its => its.toLowerCase().replace(/\.$/, '') === key)) {
        const path = ['certificates', at, 'names', i];
        context.addIssue({ code: 'custom', path, message: 'expected a name that no other certificate is shown for' });
      }
      owners.set(key, at);
    }
  }
});

const ddr = section({
  enabled: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Tell clients that ask for `_dns.resolver.arpa` how this server is asked over TLS and HTTPS: by the names of `tls.names`, where there are some, at the addresses of `listen`. Without it they are told that there is no such way; no server is asked for it in any case.',
  },
  addresses: {
    schema: z.array(address).max(16).default([]),
    change: 'live',
    why: 'Addresses that clients reach it at, in the place of those of `listen`: behind a translator, or where that is all addresses of the machine, of which none is told.',
  },
  ttlSeconds: {
    schema: count(0, 86_400).default(300),
    change: 'live',
    why: 'How long clients may keep it.',
  },
});

export const tlsRows = {
  tls: {
    schema: tls.optional(),
    change: 'live',
    why: 'The certificates of `tls://` and `https://` addresses in `listen`, which need one. Their connections have the bounds of `tcp` too.',
  },
  ddr: {
    schema: ddr.prefault({}),
    change: 'live',
    why: 'Discovery of the encrypted listeners by clients that ask in plain text (RFC 9462).',
  },
} as const satisfies Rows;

export type TlsSettings = z.output<typeof tls>;
export type CertificateSettings = z.output<typeof certificate>;

/** All of them, in the order in which they are looked through; the first is for clients that ask for no name. */
export function certificatesOf({ certificate, key, names, certificates }: TlsSettings): CertificateSettings[] {
  if (certificate === undefined || key === undefined) return certificates;
  return [{ certificate, key, names }, ...certificates];
}

/** The first entry of `listen` that there is no certificate for. */
export function listenWithoutCertificate(settings: {
  listen: readonly string[];
  tls?: unknown;
}): { path: (string | number)[]; message: string } | undefined {
  if (settings.tls !== undefined) return undefined;
  try {
    const at = endpointsOf(settings).findIndex(({ scheme }) => scheme !== 'plain');
    if (at < 0) return undefined;
    return { path: ['listen', at], message: 'expected tls.certificate and tls.key beside an encrypted address' };
  } catch {
    return undefined; // what cannot be read is complained of by itself
  }
}
