import type { DnsCache } from '../../lib/cache/dns-cache.js';

export const NAMES: number;
export function query(n: number): Buffer;
export function response(n: number, version: number): Buffer;
export function isWhole(reply: Uint8Array, length: number, n: number, asked: Uint8Array): boolean;
export function run(cache: DnsCache, operations: number, seed: number): { hits: number; wrong: number; writes: number };
