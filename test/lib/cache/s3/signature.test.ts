// Against the examples of "Authenticating Requests: Using the Authorization Header" (Amazon S3 API Reference).
import { expect, test } from 'vitest';
import { EMPTY_HASH, escapedPath, sha256, signed } from '../../../../lib/cache/s3/signature.js';

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const nowMs = Date.UTC(2013, 4, 24);
const region = 'us-east-1';
const at = (path: string): URL => new URL(path, 'https://examplebucket.s3.amazonaws.com/');
const signatureOf = (headers: Record<string, string>): string => headers.authorization.split('Signature=')[1];

test('a GET of a range', () => {
  const headers = signed(
    { method: 'GET', url: at('test.txt'), headers: { range: 'bytes=0-9' }, payloadHash: EMPTY_HASH, region, nowMs },
    credentials,
  );
  expect(headers.authorization).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
});

test('a PUT of a key with characters that are escaped', () => {
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
  const payloadHash = sha256('Welcome to Amazon S3.');
  const url = at(escapedPath('test$file.text'));
  expect(signatureOf(signed({ method: 'PUT', url, headers, payloadHash, region, nowMs }, credentials))).toBe(
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  );
});

test('a query without a value, and one of several parts', () => {
  const get = (path: string): string =>
    signatureOf(
      signed({ method: 'GET', url: at(path), headers: {}, payloadHash: EMPTY_HASH, region, nowMs }, credentials),
    );
  expect(get('?lifecycle')).toBe('fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543');
  expect(get('?max-keys=2&prefix=J')).toBe('34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7');
});

test('credentials that are lent sign their token too', () => {
  const lent = { ...credentials, sessionToken: 'token' };
  const headers = signed({ method: 'GET', url: at('k'), headers: {}, payloadHash: EMPTY_HASH, region, nowMs }, lent);
  expect(headers['x-amz-security-token']).toBe('token');
  expect(headers.authorization).toContain('x-amz-security-token,');
});
