// Validation: what answers have to prove themselves by, and what that may cost.
import { z } from 'zod';
import { count, pathOption } from '../../base/options.js';
import { DEFAULT_LIMITS } from '../../dnssec/budget.js';
import { ROOT_ANCHORS, TrustAnchors } from '../../dnssec/trust.js';
import { DEFAULT_INCEPTION_SKEW, DEFAULT_NSEC3_ITERATIONS, type ValidationPolicy } from '../../dnssec/verdict.js';
import type { ValidationOptions } from '../../resolve/recurse/options.js';
import { type Rows, section } from './row.js';
import { parsed, seconds, zoneName } from './types.js';

const budget = section({
  units: {
    schema: count(1, 100_000).default(DEFAULT_LIMITS.units),
    change: 'live',
    why: 'What checks of signatures may cost, in units of about 25 us: RSA 1, P-256 and Ed25519 4, P-384 24, a hash of NSEC3 0.05.',
  },
  failures: {
    schema: count(1, 100).default(DEFAULT_LIMITS.failures),
    change: 'live',
    why: 'Signatures of one RRset that may be wrong.',
  },
  keysPerTag: {
    schema: count(1, 16).default(DEFAULT_LIMITS.keysPerTag),
    change: 'live',
    why: 'Keys of one tag that are tried for a signature (KeyTrap, CVE-2023-50387).',
  },
  ds: {
    schema: count(1, 100).default(DEFAULT_LIMITS.ds),
    change: 'live',
    why: 'DS records of a zone that are looked at.',
  },
  fetches: {
    schema: count(1, 1000).default(DEFAULT_LIMITS.fetches),
    change: 'live',
    why: 'Questions for DS and DNSKEY records.',
  },
});

const negativeAnchor = section({
  name: { schema: zoneName, change: 'live', why: 'At and below which nothing has to prove itself.' },
  until: {
    schema: z.iso.datetime({ offset: true }),
    change: 'live',
    why: 'When that ends, as `2026-12-31T12:00:00Z`.',
  },
});

const dnssec = section({
  validate: {
    schema: z.boolean().optional(),
    change: 'live',
    why: 'Answers have to prove themselves (RFC 4035), but for those who ask with CD; what does not is SERVFAIL with an extended error that says why. By default where names are resolved from the root, but for roots of your own (`resolver.rootHints`, a stub or forward zone `.`) without `trustAnchors`: other roots have other keys. `true` has what the upstreams of the default group answer judged too.',
  },
  trustAnchors: {
    schema: z
      .array(parsed(text => new TrustAnchors([text])))
      .min(1)
      .max(256)
      .optional(),
    change: 'live',
    why: "DS or DNSKEY records as in zone files, in the place of the root's keys 20326 and 38696.",
  },
  anchorFile: {
    schema: pathOption.optional(),
    change: 'live',
    why: "Trust anchors follow the keys of their zones (RFC 5011), and this file keeps their state: new keys are believed after 30 days, revoked ones no more. `trustAnchors`, or the root's keys, are what it begins with. The file is written beside its place and moved there, so that its folder must take files; one that is broken, of another kind or written by others is told and not touched, and the configured anchors count. Without it they stay as they are, as where nothing can be written.",
  },
  negativeTrustAnchors: {
    schema: z
      .array(z.union([zoneName, negativeAnchor]))
      .max(4096)
      .default([]),
    change: 'live',
    why: 'Names at and below which nothing has to prove itself, as of zones of your own that are not signed, or of one that is broken; then with an end, a week away at the most (RFC 7646). A trust anchor below one counts; one of the same name counts again after the end.',
  },
  nestedAnchors: {
    schema: z.enum(['closest', 'any']).default('closest'),
    change: 'live',
    why: 'Whether of a name below several trust anchors the closest decides, or any that makes an answer secure (RFC 6840 section 5.13): `any` bears an anchor that is out of date, and trusts the weakest of them.',
  },
  aggressive: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'What was validated answers other questions too: which names do not exist, and what wildcards and DNAMEs make of them (RFC 8198).',
  },
  signal: {
    schema: z.boolean().default(true),
    change: 'live',
    why: "Tell the root's servers which of its keys are trusted (RFC 8145).",
  },
  hardenAlgorithmDowngrade: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'A zone has to be signed with each algorithm that its DS records name, not with one of them; zones that change their algorithm may fail.',
  },
  anyDigest: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'DS records with SHA-1 count beside those with SHA-256 or SHA-384 too: a zone whose stronger ones are wrong is no failure then, and whoever can forge SHA-1 gains it (RFC 4509 section 3).',
  },
  sha1: {
    schema: z.boolean().default(false),
    change: 'live',
    why: 'Believe RSASHA1 (5, 7): without it zones that have nothing else count as unsigned (RFC 9905).',
  },
  nsec3Iterations: {
    schema: count(0, 500).default(DEFAULT_NSEC3_ITERATIONS),
    change: 'live',
    why: 'Denials of more iterations count as those of an unsigned zone, with extended error 27 (RFC 9276).',
  },
  inceptionSkewSeconds: {
    schema: seconds(86_400).default(DEFAULT_INCEPTION_SKEW),
    change: 'live',
    why: 'How long before its inception a signature is believed: clocks differ.',
  },
  expirationSkewSeconds: {
    schema: seconds(86_400).default(0),
    change: 'live',
    why: 'How long after its expiration.',
  },
  budget: { schema: budget.prefault({}), change: 'live', why: "What one client's query may cost." },
});

export const dnssecRows = {
  dnssec: { schema: dnssec.prefault({}), change: 'live', why: 'Validation (DNSSEC).' },
} as const satisfies Rows;

export type DnssecSettings = z.output<typeof dnssec>;

/**
 * Whether names begin at other roots than the public one, of which no keys are given: below those nothing could prove
 * itself. Hints name them, or a stub or forward zone of all names.
 */
export function isKeylessRoot(options: {
  resolver?: { rootHints?: readonly string[] };
  dnssec?: { trustAnchors?: readonly string[] };
  stubZones?: readonly { name: string }[];
  forwardZones?: readonly { name: string }[];
}): boolean {
  const { resolver, dnssec, stubZones = [], forwardZones = [] } = options;
  if (dnssec?.trustAnchors !== undefined) return false;
  return resolver?.rootHints !== undefined || [...stubZones, ...forwardZones].some(({ name }) => name === '.');
}

/** What settings say of algorithms, times and iterations. */
export const policyOf = (settings: DnssecSettings): ValidationPolicy => ({
  sha1: settings.sha1,
  anyDigest: settings.anyDigest,
  nsec3Iterations: settings.nsec3Iterations,
  nestedAnchors: settings.nestedAnchors,
  hardenAlgorithmDowngrade: settings.hardenAlgorithmDowngrade,
  inceptionSkew: settings.inceptionSkewSeconds,
  expirationSkew: settings.expirationSkewSeconds,
});

/**
 * @param policy in the place of what settings say of algorithms, times and iterations
 * @param followed anchors as zone files write them, in the place of those of the settings, which they followed from
 */
export function validationOf(
  settings: DnssecSettings,
  policy?: ValidationPolicy,
  followed?: readonly string[],
): ValidationOptions {
  const { trustAnchors = ROOT_ANCHORS, negativeTrustAnchors } = settings;
  const anchors = new TrustAnchors(
    followed ?? trustAnchors,
    negativeTrustAnchors.map(one => (typeof one === 'string' ? one : { ...one, until: Date.parse(one.until) / 1000 })),
  );
  return {
    anchors,
    signal: settings.signal,
    rootTags: anchors.rootTags,
    policy: { ...policyOf(settings), ...policy },
    aggressive: settings.aggressive,
    budget: settings.budget,
  };
}
