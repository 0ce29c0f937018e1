// @redis/client, in a copy that is this package's own: what it reads is looked at first (ReplyGuard), and a program that uses
// the same package for itself has it as it is. Loaded only where a Redis is configured. A later version of it may read
// replies somewhere else: then they are not looked at.
import { existsSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { ShardnsError } from '../../base/errors.js';
import { lazy } from '../../base/lazy.js';
import { ownRequire } from '../../base/package-files.js';
import { guardReplies, type ReplyDecoder } from './reply-guard.js';

export type Library = typeof import('@redis/client');
const PACKAGE = '@redis/client';

/** Where it is. @throws {ShardnsError} ERR_SHARDNS_OPTION where it is not installed */
export function findLibrary(): string {
  try {
    // Not by import(): a bundler of a program that has no Redis would look for it.
    return ownRequire().resolve(PACKAGE);
  } catch (cause) {
    throw new ShardnsError(
      'ERR_SHARDNS_OPTION',
      'a second level in Redis needs the package @redis/client 6: npm install @redis/client',
      { cause },
    );
  }
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION */
export const loadLibrary = lazy((): Library => {
  const entry = findLibrary();
  const require = ownRequire();
  const folder = dirname(entry) + sep;
  const loaded = () => Object.entries(require.cache).filter(([name]) => name.startsWith(folder));
  const forget = (): void => loaded().forEach(([name]) => Reflect.deleteProperty(require.cache, name));
  const theirs = loaded();
  forget();
  try {
    const library = require(entry) as Library;
    const file = join(folder, 'lib', 'RESP', 'decoder.js');
    if (existsSync(file)) guardReplies((require(file) as { Decoder: { prototype: ReplyDecoder } }).Decoder);
    return library;
  } finally {
    forget();
    for (const [name, module] of theirs) require.cache[name] = module;
  }
});
