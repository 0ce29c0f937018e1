// Options that more than one schema has, and reading any of them with one clear error.
import { z } from 'zod';
import { ShardnsError, show } from './errors.js';
import { parseMemory } from './memory.js';

export const count = (min: number, max: number) => z.number().int().min(min).max(max);

/** Octets of a cache. */
export const memoryOption = z.union([z.string(), z.number()]).superRefine((value, context) => {
  const octets = parseMemory(value);
  if (octets === undefined || octets < 2 ** 20 || octets > 2 ** 40) {
    context.addIssue({ code: 'custom', message: 'expected octets from 1 MiB to 1 TiB, such as 64MiB or 1GiB' });
  }
});

export const pathOption = z
  .string()
  .min(1, 'expected the path of a file')
  .max(1000, 'expected a path of at most 1000 characters')
  .refine(text => !text.includes('\0'), 'expected a path without NUL');

/** What zod says of an option, without its preamble. */
export function issueText(message: string): string {
  return message.replace(/^Invalid (input|option): /, '');
}

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming each wrong option, its value and what was expected */
export function readWith<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  // Options are read once: compiling the schema would take longer than walking it.
  const result = schema.safeParse(input ?? {}, { reportInput: true, jitless: true });
  if (result.success) return result.data;
  const issues = result.error.issues.map(issue =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map(key => `${key}: is not an option`).join('; ')
      : `${issue.path.join('.')}: ${issueText(issue.message)}, got ${show(issue.input)}`,
  );
  throw new ShardnsError('ERR_SHARDNS_OPTION', issues.join('; '));
}
