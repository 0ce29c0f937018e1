// Kinds of values that options of several sections have.
import { isIP } from 'node:net';
import { z } from 'zod';
import { parsePrefix, parseSocketAddress } from '../../base/address.js';
import { show } from '../../base/errors.js';
import type { Field } from '../../base/fields.js';
import { parseUpstream } from '../../upstream/upstream-url.js';
import { parseEndpoint } from '../listeners/endpoint.js';
import { encodeName } from '../../wire/name.js';

/** Text that a parser takes; what the parser says of other text is the complaint. */
export const parsed = (parse: (text: string) => unknown): z.ZodString =>
  z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      // The value is named by whoever reports the issue.
      const message = (error as Error).message.replace(/^: expected/, 'expected').replace(`, got ${show(text)}`, '');
      context.addIssue({ code: 'custom', message });
    }
  });

export const listenAddress = parsed(text => parseSocketAddress(text, ''));
export const listenEndpoint = parsed(text => parseEndpoint(text, ''));
/** What DNS servers have that are asked, of which none is a name: those that tell what names mean. */
export const serverAddress = parsed(text => parseSocketAddress(text, '', 53));
export const upstreamUrl = parsed(text => parseUpstream(text, ''));
export const prefix = parsed(text => parsePrefix(text, ''));
export const addressOf = (family: 4 | 6): z.ZodString =>
  z.string().refine(text => isIP(text) === family, `expected an IPv${family} address`);
export const address = z.string().refine(text => isIP(text) !== 0, 'expected a numeric address');
export const domainName = parsed(text => encodeName(text));
/** A name that stands for itself and all below. With an asterisk before it, as block lists have it, it would hold nothing. */
export const zoneName = domainName.refine(text => !text.startsWith('*.'), {
  message: 'expected a name without "*.": a zone holds its name and all names below it',
});
export const seconds = (max: number): z.ZodNumber => z.number().int().min(0).max(max);
/** Text of which a field of an object's options says whether it is right. */
export const byField = (field: Pick<Field<string>, 'check'>): z.ZodString =>
  z.string().superRefine((text, context) => {
    const wrong = field.check(text);
    if (typeof wrong === 'string') context.addIssue({ code: 'custom', message: wrong });
  });
