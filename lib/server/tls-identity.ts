// What a server shows that it is who it says: a certificate with those above it, and its key, as PEM files have them. All
// that makes them of no use is found here, before anything is served with them.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureVersion } from 'node:tls';
import { ShardnsError } from '../base/errors.js';

/** The text of both files, and where it is from. */
export interface IdentityFiles {
  readonly certificate: { readonly path: string; readonly text: string };
  readonly key: { readonly path: string; readonly text: string };
}

export interface TlsIdentity {
  readonly files: IdentityFiles;
  /** Of the certificate: `CN=dns.example`, the names and addresses in it, its SHA-256 in hexadecimal digits. */
  readonly subject: string;
  readonly names: readonly string[];
  readonly fingerprint: string;
  /** Unix times in seconds. */
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g;

/**
 * @param names that clients know the server by: the certificate has to be for each of them
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file and what is wrong with it
 */
export function readIdentity(
  files: IdentityFiles,
  { names, minVersion }: { names: readonly string[]; minVersion: SecureVersion },
  nowSeconds: number,
): TlsIdentity {
  const { certificate, key } = files;
  const [leaf] = certificatesIn(certificate);
  const notBeforeSeconds = Date.parse(leaf.validFrom) / 1000;
  const notAfterSeconds = Date.parse(leaf.validTo) / 1000;
  if (nowSeconds > notAfterSeconds) throw wrong(certificate.path, `the certificate has expired: ${leaf.validTo}`);
  if (nowSeconds < notBeforeSeconds)
    throw wrong(certificate.path, `the certificate is not valid yet: ${leaf.validFrom}`);
  for (const name of names) {
    const covers = isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name);
    if (covers !== undefined) continue;
    throw wrong(
      certificate.path,
      `the certificate is not for ${name}, but for ${namesOf(leaf).join(', ') || 'no name'}`,
    );
  }
  if (!leaf.checkPrivateKey(keyIn(key))) {
    throw wrong(key.path, `the key is not that of the certificate in ${certificate.path}`);
  }
  try {
    createSecureContext({ cert: certificate.text, key: key.text, minVersion });
  } catch (cause) {
    // Such as a key that is too weak for OpenSSL.
    throw wrong(certificate.path, `cannot be used with ${key.path}: ${(cause as Error).message}`, cause);
  }
  const { subject, fingerprint256 } = leaf;
  return {
    files,
    subject: subject?.replaceAll('\n', ', ') ?? '',
    names: namesOf(leaf),
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    notBeforeSeconds,
    notAfterSeconds,
  };
}

/**
 * The server's own is first (RFC 8446 section 4.4.2).
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file
 */
export function certificatesIn({ path, text }: IdentityFiles['certificate']): X509Certificate[] {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw wrong(path, 'has no certificate (PEM)');
  return blocks.map((pem, i) => {
    try {
      return new X509Certificate(pem);
    } catch (cause) {
      throw wrong(path, `certificate ${i + 1} of ${blocks.length} cannot be read: ${(cause as Error).message}`, cause);
    }
  });
}

function keyIn({ path, text }: IdentityFiles['key']): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw wrong(path, 'has no private key (PEM)');
  if (/-----BEGIN ENCRYPTED|^Proc-Type: .*ENCRYPTED/m.test(text)) {
    throw wrong(path, 'the key has a passphrase, which a server cannot be asked for: store it without');
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw wrong(path, `the key cannot be read: ${(cause as Error).message}`, cause);
  }
}

/** `dns.example`, `192.0.2.1`: those that clients compare with (RFC 6125 section 6). */
function namesOf({ subjectAltName }: X509Certificate): string[] {
  const parts = subjectAltName?.split(', ') ?? [];
  return parts.flatMap(part => /^(?:DNS|IP Address):(.*)$/.exec(part)?.[1] ?? []);
}

function wrong(path: string, what: string, cause?: unknown): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_FILE', `${path}: ${what}`, cause === undefined ? undefined : { cause });
}
