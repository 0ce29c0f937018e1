// The kinds of what calls take in their queries, paths and bodies.
import { z } from 'zod';
import { typeCode } from '../../wire/iana.js';
import { encodeName, foldName } from '../../wire/name.js';

/** A domain name in presentation form; its octets, lower case. */
export const nameParameter = z
  .string()
  .max(1100)
  .transform((text, context): Uint8Array => {
    // An empty variable of a script means no name, and least of all the root and all below it.
    if (text === '') {
      context.addIssue({ code: 'custom', message: 'expected a domain name ("." is the root)' });
      return z.NEVER;
    }
    try {
      return foldName(encodeName(text));
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });

/** A record type by its mnemonic or as TYPE123; its number. */
export const typeParameter = z
  .string()
  .max(64)
  .transform((text, context): number => {
    const type = typeCode(text);
    if (type !== undefined) return type;
    context.addIssue({ code: 'custom', message: 'expected a record type' });
    return z.NEVER;
  });

/** A number of a query: text of digits. */
export const numberParameter = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected a number from ${least} to ${most}`)
    .transform(Number)
    .refine(value => value >= least && value <= most, `expected a number from ${least} to ${most}`);

export const tenantParameter = numberParameter(0, 0xffff_fffe);

/** `?fresh` or `?fresh=1`. */
export const flagParameter = z.string().transform(text => text !== '0' && text !== 'false');
