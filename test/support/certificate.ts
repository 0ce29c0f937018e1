// Certificates for tests on loopback: one that is self-signed, and those that a test has made as it wants them. Their keys guard
// nothing.
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { addressOctets } from '../../lib/base/address.js';

export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgytRcD8OVbKcoPiWP
d/KmYaFu8JLtii8YS6CW2WK3lTahRANCAASDtAahTvvcHfcCovz10zrmeCPgHOAu
olIbUfPXultcEBrWUsP5HNSlouwwK1JvGZtIH8M+s1EfUsIoN8rQNQeZ
-----END PRIVATE KEY-----
`;

export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBqzCCAVKgAwIBAgIUWg2w4VmKNXxcmfYGaKlnXZrnW3AwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNbG9jYWwuZXhhbXBsZTAgFw0yNjExMjExMzM5NDFaGA8yMTI2
MTAyODEzMzk0MVowGDEWMBQGA1UEAwwNbG9jYWwuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABIO0BqFO+9wd9wKi/PXTOuZ4I+Ac4C6iUhtR89e6W1wQ
GtZSw/kc1KWi7DArUm8Zm0gfwz6zUR9Swig3ytA1B5mjeDB2MB0GA1UdDgQWBBTI
iDmNCre7qUjWF0A0RZx7+unMazAfBgNVHSMEGDAWgBTIiDmNCre7qUjWF0A0RZx7
+unMazAPBgNVHRMBAf8EBTADAQH/MCMGA1UdEQQcMBqCCmxvY2FsLnRlc3SCDGxv
b3AuZXhhbXBsZTAKBggqhkjOPQQDAgNHADBEAiApReduz0kGkJG1LariYK3XFIpi
1LbXvG4F1wDdIfwWIQIgZEvau/3H7elZj1w7Z1BMBGGB/l480JR8fA21qrfsFOk=
-----END CERTIFICATE-----
`;

/** A certificate and its key, as PEM. */
export interface MadeCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly privateKey: KeyObject;
  /** The name that it is of. */
  readonly subject: string;
}

export interface CertificateWishes {
  /** Names and addresses that it is for. */
  readonly names?: readonly string[];
  readonly subject?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Who signs it; by itself where nobody does. */
  readonly issuer?: MadeCertificate;
  /** Whether it may sign others. */
  readonly isAuthority?: boolean;
  /** In place of a new one. */
  readonly key?: KeyObject;
}

const DAY_MS = 86_400_000;

/** Makes one (RFC 5280), with a key of P-256. */
export function makeCertificate({
  names = [],
  subject = names[0] ?? 'test',
  notBefore = new Date(Date.now() - DAY_MS),
  notAfter = new Date(Date.now() + 365 * DAY_MS),
  issuer,
  isAuthority = false,
  key: given,
}: CertificateWishes): MadeCertificate {
  const privateKey = given ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const algorithm = der(0x30, OID.ecdsaWithSha256);
  const alternatives = names.map(name =>
    isIP(name) === 0 ? der(0x82, Buffer.from(name)) : der(0x87, Buffer.from(addressOctets(name))),
  );
  const extensions = [
    der(0x30, OID.subjectAltName, der(0x04, der(0x30, ...alternatives))),
    ...(isAuthority
      ? [der(0x30, OID.basicConstraints, der(0x01, Buffer.of(0xff)), der(0x04, der(0x30, der(0x01, Buffer.of(0xff)))))]
      : []),
  ].slice(names.length === 0 ? 1 : 0);
  const toBeSigned = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    nameOf(issuer?.subject ?? subject),
    der(0x30, timeOf(notBefore), timeOf(notAfter)),
    nameOf(subject),
    publicKey,
    ...(extensions.length > 0 ? [der(0xa3, der(0x30, ...extensions))] : []),
  );
  const signature = sign('sha256', toBeSigned, issuer?.privateKey ?? privateKey);
  const octets = der(0x30, toBeSigned, algorithm, der(0x03, Buffer.of(0), signature));
  const lines = octets.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    privateKey,
    subject,
  };
}

/** One value of DER (X.690). */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

const OID = {
  ecdsaWithSha256: der(0x06, Buffer.from('2a8648ce3d040302', 'hex')),
  commonName: der(0x06, Buffer.from('550403', 'hex')),
  subjectAltName: der(0x06, Buffer.from('551d11', 'hex')),
  basicConstraints: der(0x06, Buffer.from('551d13', 'hex')),
};

const nameOf = (text: string): Buffer => der(0x30, der(0x31, der(0x30, OID.commonName, der(0x0c, Buffer.from(text)))));
/** UTCTime until 2049 (RFC 5280 section 4.1.2.5). */
function timeOf(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}
