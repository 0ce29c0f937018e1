import { describe, expect, test } from 'vitest';
import { show, withoutCredentials } from '../../../lib/base/errors.js';

describe('a URL in a message', () => {
  test.each([
    ['redis://user:secret@host:6379/0', 'redis://host:6379/0'],
    ['redis://:secret@host', 'redis://host'],
    ['redis://:sec@ret@host', 'redis://host'],
    [`redis://:sec'ret"@host`, 'redis://host'],
    ['redis://:sec/ret+of/base64=@host:6379', 'redis://host:6379'],
    ['redis://user:sec?ret#@host', 'redis://host'],
    ['rediss://:1secret/@host', 'rediss://host'],
    ['redis://:123/sec@host:6379', 'redis://host:6379'],
    ['redis://user:12345/sec#8@host/0', 'redis://host/0'],
    ['["redis://a:b/c@h1","redis://:d@e@h2"]', '["redis://h1","redis://h2"]'],
  ])('names no user and no password: %s', (text, expected) => {
    expect(withoutCredentials(text)).toBe(expected);
    expect(show([text])).not.toContain('sec');
  });
  test.each([
    'https://dns.example/dns-query{?dns}',
    'https://h:443/@scope/list',
    'tls://name@1.2.3.4 and nothing',
    'a@b',
  ])('is shown where there is none: %s', text => {
    expect(withoutCredentials(text)).toBe(text.replace('name@', ''));
  });
  test('is read in a time that goes with its length', () => {
    const begun = performance.now();
    withoutCredentials('://a:b'.repeat(200_000) + ' ' + `://${':'.repeat(500_000)}`);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
