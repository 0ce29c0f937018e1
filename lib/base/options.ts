// Options that more than one part of the server's schema has.
import { z } from 'zod';
import { pathExpected } from './fields.js';
import { memoryExpected } from './memory.js';

export const count = (min: number, max: number) => z.number().int().min(min).max(max);

/** Octets of a cache. */
export const memoryOption = z.union([z.string(), z.number()]).superRefine((value, context) => {
  const message = memoryExpected(value);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

export const pathOption = z.string().superRefine((value, context) => {
  const message = pathExpected(value);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** Options of the memory that a cache lies in; cache/region.ts has them for caches that are objects of their own. */
export const regionShape = {
  memory: memoryOption.default('64MiB'),
  policy: z.enum(['s3fifo', 'lru', 'lfu', '2q']).default('s3fifo'),
  /** A power of two up to 256; 0 = one per 4 MiB, at most 64. */
  shards: count(0, 256)
    .refine(n => (n & (n - 1)) === 0, 'expected 0 or a power of two')
    .default(0),
};

/** What zod says of an option, without its preamble. */
export function issueText(message: string): string {
  return message.replace(/^Invalid (input|option): /, '');
}
