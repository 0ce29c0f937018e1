// What encrypted listeners show, and how they shake hands.
import { z } from 'zod';
import { isIP } from 'node:net';
import { count, pathOption } from '../../base/options.js';
import { encodeName } from '../../wire/name.js';
import { endpointsOf } from '../listeners/endpoint.js';
import { type Rows, section } from './row.js';
import { parsed } from './types.js';

const nameOrAddress = parsed(text => isIP(text) !== 0 || encodeName(text));

const tls = section({
  certificate: {
    schema: pathOption,
    change: 'live',
    why: "A file with the server's certificate and those above it (PEM), read again when it changes, and at SIGHUP: new connections get the new one. One that has expired, or is not for its key, is refused.",
  },
  key: {
    schema: pathOption,
    change: 'live',
    why: 'A file with its private key (PEM), without a passphrase.',
  },
  names: {
    schema: z.array(nameOrAddress).max(64).default([]),
    change: 'live',
    why: 'Names and addresses that clients know the server by: a certificate that is not for all of them is refused.',
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
});

export const tlsRows = {
  tls: {
    schema: tls.optional(),
    change: 'live',
    why: 'The certificate of `tls://` and `https://` addresses in `listen`, which need it. Their connections have the bounds of `tcp` too.',
  },
} as const satisfies Rows;

export type TlsSettings = z.output<typeof tls>;

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
