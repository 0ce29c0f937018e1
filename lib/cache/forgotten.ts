// What callers may have forgotten, read into what caches take: a name, a subtree, a tenant or everything.
import { optionError } from '../base/errors.js';
import { encodeName, foldName } from '../wire/name.js';
import { MAX_TENANT } from './engine.js';

/** Names are folded wire format. */
export type Forgotten = { name: Uint8Array } | { suffix: Uint8Array } | { tenant: number } | 'all';

/**
 * @param what has one selector: of two, what is to be forgotten could be both together or what they have in common
 * @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_MESSAGE for a text that is no name
 */
export function readForgotten(what: unknown): Forgotten {
  if (typeof what === 'object' && what !== null) {
    const given = Object.entries(what).filter(([, value]) => value !== undefined);
    if (given.length > 1)
      throw optionError('invalidate', what, 'one of { name }, { suffix }, { tenant }, { all: true }');
  }
  const { name, suffix, tenant, all } = (typeof what === 'object' && what !== null ? what : {}) as Record<
    'name' | 'suffix' | 'tenant' | 'all',
    unknown
  >;
  if (name !== undefined) return { name: wireName('name', name) };
  if (suffix !== undefined) {
    if (typeof suffix === 'string' && suffix.startsWith('*.')) {
      throw optionError('suffix', suffix, 'a name without "*.": all names below it are forgotten with it');
    }
    return { suffix: wireName('suffix', suffix) };
  }
  if (tenant !== undefined) {
    checkTenant(tenant);
    if (tenant === 0) {
      throw optionError('tenant', 0, 'a tenant: 0 stands for none, { all: true } forgets its answers');
    }
    return { tenant: tenant as number };
  }
  if (all === true || what === 'all') return 'all';
  throw optionError('invalidate', what, '{ name }, { suffix }, { tenant } or { all: true }');
}

export function checkTenant(tenant: unknown): void {
  if (
    tenant === undefined ||
    (Number.isInteger(tenant) && (tenant as number) >= 0 && (tenant as number) <= MAX_TENANT)
  ) {
    return;
  }
  throw optionError('tenant', tenant, `a whole number from 0 to ${MAX_TENANT}`);
}

export function wireName(option: string, text: unknown): Uint8Array {
  // An empty variable means no name, and least of all the root and all below it.
  if (typeof text !== 'string' || text === '') throw optionError(option, text, 'a domain name ("." is the root)');
  return foldName(encodeName(text));
}
