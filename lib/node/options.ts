// Options of lookups and resolvers inside a Node program, each with its default and source.
import { z } from 'zod';
import { parseSocketAddress } from '../base/address.js';
import { count, memoryOption, readWith } from '../base/options.js';

const server = z.string().superRefine((text, context) => {
  try {
    parseSocketAddress(text, '', 53);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message.replace(/^: /, '') });
  }
});

export const lookupSchema = z.strictObject({
  /** Servers to ask, `192.0.2.1`, `[2001:db8::1]:5353`; those of resolv.conf if not given. */
  servers: z.array(server).min(1).max(8).optional(),
  /** Octets of the cache, such as 8MiB; all of it is taken at once, touched as it fills. */
  memory: memoryOption.default('8MiB'),
  /** False: not read. */
  resolvConf: z.union([z.string(), z.literal(false)]).default('/etc/resolv.conf'),
  hostsFile: z.union([z.string(), z.literal(false)]).default('/etc/hosts'),
  /** Milliseconds for one question with all its tries; resolv.conf's timeout x attempts, at most 30 s, if not given. */
  timeoutMs: count(10, 60_000).optional(),
  /**
   * Toward whom names go out in random letters, which make responses hard to forge: `public` leaves out servers on this
   * machine and in private networks, which may mind the letters.
   */
  letterCase: z.enum(['public', 'always', 'never']).default('public'),
  /** Order of addresses where the call does not say; Node's own default if not given. */
  order: z.enum(['verbatim', 'ipv4first', 'ipv6first']).optional(),
  /** Turn the addresses of a family by a random number of places. */
  rotate: z.boolean().default(false),
  minTtlSeconds: count(0, 86_400).default(0),
  maxTtlSeconds: count(1, 604_800).default(86_400), // RFC 8767 section 4
  negativeMaxTtlSeconds: count(1, 10_800).default(3600), // RFC 2308 section 5
  /** How long past its end an answer may serve where no server answers; 0 = never. */
  staleSeconds: count(0, 259_200).default(86_400), // RFC 8767 section 5
});
export type LookupOptions = z.input<typeof lookupSchema>;
export type LookupSettings = z.output<typeof lookupSchema>;

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming option, value and what was expected */
export function readLookupOptions(options: unknown): LookupSettings {
  return readWith(lookupSchema, options);
}
