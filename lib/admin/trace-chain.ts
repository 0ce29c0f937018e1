// The chain of trust of a traced answer as lines: each zone with its DS records and keys, who signed what until when, where
// it ends, and what an operator can do about it.
import type { ExplainedChain, SignatureFact, SignedFact, ZoneFacts } from '../dnssec/explain.js';
import { ExtendedError, Type, typeName } from '../wire/iana.js';
import { equalNames, isAtOrBelow, nameToText } from '../wire/name.js';
import { algorithmName } from '../wire/rdata-fields.js';

const DIGESTS: Readonly<Record<number, string>> = { 1: 'SHA-1', 2: 'SHA-256', 4: 'SHA-384' };

/** @param failed whether the resolution before it has come to nothing */
export function chainLines(chain: ExplainedChain, failed: boolean): string[] {
  const { zones, answer, validation, negative } = chain;
  const lines = ['chain of trust'];
  for (const zone of zones) lines.push(...zoneLines(zone));
  for (const one of answer) {
    const { status } = one;
    lines.push(`  ${label(one)}${status === undefined ? '' : `  ${status}`}`);
    lines.push(...signatureLines(one.signatures, 'signed', undefined));
    if (one.signatures.length === 0) lines.push('    signed    by nobody');
  }
  if (negative !== undefined) {
    const { zone, until } = negative;
    const end = Number.isFinite(until)
      ? `until ${new Date(until * 1000).toISOString().slice(0, 19)}Z`
      : 'without an end';
    lines.push(`  ${nameToText(zone)}  a negative trust anchor (dnssec.negativeTrustAnchors), ${end}`);
  }
  const { status, reason, ede } = validation;
  const code = ede === undefined ? '' : ` (extended error ${ede})`;
  lines.push(`${status}${reason === '' ? '' : `: ${reason}`}${code}`);
  const isWrong = validation.unfetched === true || status === 'bogus';
  const advice = failed && !isWrong ? rememberedAdvice(chain) : adviceFor(chain);
  if (advice !== undefined) lines.push(`what to do: ${advice}`);
  return lines;
}

function zoneLines({ zone, isAnchor, ds, above, keys, keySignatures, state }: ZoneFacts): string[] {
  const { status } = state;
  const reason = state.status === 'secure' ? '' : `: ${state.reason}`;
  const lines = [`  ${nameToText(zone)}  ${status}${reason}`];
  for (const { tag, algorithm, digestType, counts } of ds) {
    const digest = DIGESTS[digestType] ?? `digest ${digestType}`;
    const what = `${tag} ${algorithmName(algorithm)} ${digest}${counts ? '' : ', of no account'}`;
    lines.push(`    ${isAnchor ? 'anchor' : 'DS    '}    ${what}`);
  }
  for (const one of above) {
    if (one.type !== Type.DS) lines.push(`    no DS     by ${label(one)}`);
    lines.push(...signatureLines(one.signatures, 'signed', undefined));
  }
  for (const { tag, algorithm, isEntry, isNamed, signsZone } of keys) {
    const role = isEntry ? 'KSK' : 'ZSK';
    const named = isNamed ? (isAnchor ? ', trusted' : ', named by DS') : '';
    lines.push(`    DNSKEY    ${tag} ${algorithmName(algorithm)} ${role}${named}${signsZone ? '' : ', signs no zone'}`);
  }
  lines.push(...signatureLines(keySignatures, 'signed', zone));
  return lines;
}

/** @param zone that signs itself: its name goes without saying */
function signatureLines(signatures: readonly SignatureFact[], verb: string, zone: Uint8Array | undefined): string[] {
  return signatures.map(({ keyTag, signer, until, fault }) => {
    const whose = zone !== undefined && equalNames(zone, signer) ? '' : ` of ${nameToText(signer)}`;
    return `    ${verb}    by key ${keyTag}${whose}, until ${until}${fault === undefined ? '' : `: ${fault}`}`;
  });
}

const label = ({ name, type }: Pick<SignedFact, 'name' | 'type'>): string => `${nameToText(name)} ${typeName(type)}`;

const list = (tags: readonly number[]): string => (tags.length === 0 ? 'none' : tags.join(', '));

/** It is right by now. */
function rememberedAdvice({ zones, name }: ExplainedChain): string {
  const zone = nameToText(signerOf(zones, name));
  return `nothing: this proves itself by now, and the failure is what is remembered, for a minute at the most; \`shardns ctl flush --suffix ${zone}\` forgets it at once`;
}

/** Undefined where nothing is wrong. */
function adviceFor(chain: ExplainedChain): string | undefined {
  const { zones, answer, validation } = chain;
  const { status, ede } = validation;
  const broken = zones.find(one => one.state.status === 'bogus' || one.state.status === 'indeterminate');
  const failed = answer.find(one => one.status === 'bogus');
  if (validation.unfetched === true) {
    return `the servers of ${broken === undefined ? 'a zone' : nameToText(broken.zone)} gave no answer for DS or DNSKEY records: ask them with DO, over UDP and TCP, and see what the steps above say of them`;
  }
  if (status === 'insecure') return insecureAdvice(ede);
  if (status === 'indeterminate')
    return 'nothing, unless a zone above it is signed: then name its keys in `dnssec.trustAnchors`';
  if (status !== 'bogus') return undefined;
  if (chain.isSpent) {
    return 'to judge it costs more than one question may (`dnssec.budget`): many keys of one tag, many signatures that fail or many NSEC3 hashes are made by who attacks, or by a zone whose old keys and signatures should be removed';
  }
  const place = broken?.zone ?? failed?.name ?? chain.name;
  const zone = nameToText(broken?.zone ?? signerOf(zones, place));
  const clock = new Date(chain.now * 1000).toISOString().slice(0, 19);
  const faulty = (broken?.keySignatures ?? failed?.signatures ?? []).find(one => one.fault !== undefined);
  const distance = (time: string | undefined): string =>
    distanceText(Math.abs(Date.parse(time ?? '') / 1000 - chain.now));
  switch (ede) {
    case ExtendedError.signatureExpired:
      return `have ${zone} signed again, and see whether what signs it still runs; if it was signed since, a server still serves the old zone. It is ${clock}Z here, ${distance(faulty?.until)} after the end`;
    case ExtendedError.signatureNotYetValid:
      return `set the clock of this machine, which has ${clock}Z, or of the one that signs ${zone}: they are ${distance(faulty?.from)} apart at the least`;
    case ExtendedError.signatureExpiredBeforeValid:
      return `correct the validity that ${zone} is signed for`;
    case ExtendedError.dnskeyMissing:
      return missingKeyAdvice(zone, broken, failed, zones);
    case ExtendedError.noZoneKeyBit:
      return `give the keys of ${zone} flag 256 or 257 (ZONE), without 128 (REVOKE)`;
    case ExtendedError.rrsigsMissing:
      return `${zone} has DS records above it, so all that it says has to be signed: sign it, or have the DS records removed. Where it is signed, a server or a forwarder on the way leaves signatures out. ${ownNamesAdvice(chain)}`;
    case ExtendedError.nsecMissing:
      return `no NSEC or NSEC3 records show what is denied: see whether ${denierOf(zones, place)} has them and whether each of its servers, and a forwarder on the way, passes them on. ${ownNamesAdvice(chain)}`;
    default:
      return `what was told of ${zone} is not what its keys have signed, or not all of it: compare its servers with each other (the steps above say who was asked); if they agree, sign it again; if this is what only a forwarder says, it or the way to it changes answers`;
  }
}

/** Split horizon: what the parent proves not to exist, or to be signed, servers inside answer without signatures. */
const ownNamesAdvice = ({ name }: ExplainedChain): string =>
  `Where ${nameToText(name)} is a name that your own servers have and the public zone has not, or has otherwise, name it or the zone that it is in in \`dnssec.negativeTrustAnchors\``;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function distanceText(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'some time';
  if (seconds < 2 * MINUTE) return `${Math.round(seconds)} s`;
  if (seconds < 2 * HOUR) return `${Math.round(seconds / MINUTE)} minutes`;
  return seconds < 2 * DAY ? `${Math.round(seconds / HOUR)} hours` : `${Math.round(seconds / DAY)} days`;
}

function missingKeyAdvice(
  zone: string,
  broken: ZoneFacts | undefined,
  failed: SignedFact | undefined,
  zones: readonly ZoneFacts[],
): string {
  if (broken !== undefined && broken.keys.length === 0) {
    return `the servers of ${zone} give no DNSKEY records, and DS records are above it: sign it, or have them removed`;
  }
  const revoked = broken?.keys.filter(one => one.isNamed && one.isRevoked) ?? [];
  if (broken !== undefined && revoked.length > 0 && !broken.keys.some(one => one.isNamed && !one.isRevoked)) {
    const where = broken.isAnchor ? 'the trust anchors stand for' : 'the DS records above it stand for';
    return `${where} keys of ${zone} that are revoked only (${list(revoked.map(one => one.tag))}), which verify nothing: have them replaced by those of keys that are not`;
  }
  if (broken !== undefined && !broken.keys.some(one => one.isNamed)) {
    const alike = broken.keys.filter(key =>
      broken.ds.some(one => one.tag === key.tag && one.algorithm === key.algorithm),
    );
    if (alike.length > 0) {
      return `wrong digest: the key tag ${list(alike.map(one => one.tag))} is that of a key that ${zone} publishes, and the digest is of another: have the DS record made anew of the key that is there`;
    }
    const wanted = list(broken.ds.map(one => one.tag));
    const where = broken.isAnchor ? 'the trust anchors name' : 'the DS records above it name';
    return `${where} keys ${wanted}, and ${zone} has ${list(broken.keys.map(one => one.tag))}: publish and sign with one of the former, or replace ${broken.isAnchor ? 'the anchors' : 'the DS records'}`;
  }
  const signatures = broken?.keySignatures ?? failed?.signatures ?? [];
  const facts = broken ?? zones.find(one => nameToText(one.zone) === zone);
  return `the signatures are by keys ${list(signatures.map(one => one.keyTag))}, and ${zone} has ${list((facts?.keys ?? []).map(one => one.tag))}: publish the key that signs (a roll-over that went too fast?), or sign with one that is there`;
}

function insecureAdvice(ede: number | undefined): string | undefined {
  switch (ede) {
    case ExtendedError.unsupportedKeyAlgorithm:
      return 'a zone whose keys are all of algorithms that are not believed counts as not signed: have it signed with ECDSAP256SHA256 or RSASHA256; `dnssec.sha1` believes RSASHA1';
    case ExtendedError.unsupportedDsDigest:
      return 'a zone whose DS records all have digests that are not known counts as not signed: have DS records with SHA-256 (2) made';
    case ExtendedError.unsupportedNsec3Iterations:
      return 'denials of so many NSEC3 iterations count as those of a zone that is not signed: have it signed with 0 (RFC 9276), or see `dnssec.nsec3Iterations`';
    default:
      return undefined;
  }
}

/** Whose NSEC or NSEC3 records would show it: the lowest zone above a name that is known to be secure. */
const denierOf = (zones: readonly ZoneFacts[], name: Uint8Array): string =>
  nameToText(
    signerOf(
      zones.filter(one => one.state.status === 'secure'),
      name,
    ),
  );

/** The lowest zone above a name that has keys. */
function signerOf(zones: readonly ZoneFacts[], name: Uint8Array): Uint8Array {
  const above = zones.filter(one => isAtOrBelow(name, one.zone));
  return above.at(-1)?.zone ?? name;
}
