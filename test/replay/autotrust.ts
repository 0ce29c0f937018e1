// Trust anchors that follow their zones, as scenarios write them: Unbound's file of them, with the state of each key in a comment
// behind it, and the small arithmetic in which its times are given.
import { ANCHOR_STATES, type AnchorState, withoutRevoke } from '../../lib/dnssec/anchor-states.js';
import { anchorText } from '../../lib/dnssec/anchor-text.js';
import { keyTag } from '../../lib/dnssec/key.js';
import type { AnchorsReport } from '../../lib/server/anchors-report.js';
import { Type } from '../../lib/wire/iana.js';
import { encodeRdata } from '../../lib/wire/rdata.js';

/** By Unbound's numbers; 0 and 5 are keys that are not known. */
const STATES: Readonly<Record<string, AnchorState>> = Object.fromEntries(
  ANCHOR_STATES.map((state, i) => [String(i + 1), state]),
);

const bare = (line: string): string => line.replace(/;.*$/, '').trim();
const stateOf = (line: string): AnchorState | undefined => STATES[/;;state=(\d)/.exec(line)?.[1] ?? ''];
const dataOf = (line: string): Uint8Array => encodeRdata(Type.DNSKEY, bare(line).replace(/^.*\sDNSKEY\s+/, ''));

/** What it begins with: anchors that are configured, and the text of our file. */
export function readAutotrust(text: string): { configured: string[]; text: string } {
  const lines = text.split('\n').filter(line => /^\S+\s+(?:\d+\s+)?(?:IN\s+)?(DS|DNSKEY)\s/.test(bare(line)));
  const zone = `${bare(lines[0]).split(/\s/)[0].replace(/\.$/, '')}.`;
  const keys = lines.flatMap(line => {
    const state = stateOf(line);
    if (state === undefined) return [];
    const since = Number(/;;lastchange=(\d+)/.exec(line)?.[1] ?? 0);
    const seen = Number(/;;count=(\d+)/.exec(line)?.[1] ?? 0);
    return [{ state, since, seen, data: Buffer.from(withoutRevoke(dataOf(line))).toString('base64') }];
  });
  // Keys without SEP sign a zone, and are no anchors.
  const stateless = lines.filter(line => stateOf(line) === undefined && !/\sDNSKEY\s+256\s/.test(line));
  const times = { lastProbe: 0, lastSuccess: 0, nextProbe: 0, ttl: 0, interval: 0 };
  // Without any that is configured the zone would not be one with anchors: those that it knows are.
  const known = lines.map(bare).map(line => line.replace(/\bDNSKEY\s+385\b/, 'DNSKEY 257'));
  const configured = stateless.length > 0 ? stateless.map(bare) : known;
  const records = keys.length === 0 ? [] : configured.map(recordOf);
  return { configured, text: anchorText([{ zone, configured: records, keys, ...times }]) };
}

const recordOf = (line: string): { record: string; seen: boolean } => ({
  record: `DNSKEY ${line.replace(/^.*\sDNSKEY\s+/, '')}`,
  seen: true,
});

const sorted = (anchors: readonly { tag: number; state: string }[]): string =>
  anchors
    .map(({ tag, state }) => `${tag} ${state}`)
    .sort()
    .join(', ');

/** `tag state` of each key that a file should have. */
export const statesIn = (lines: readonly string[]): string =>
  sorted(
    lines.flatMap(line => {
      const state = stateOf(line);
      return state === undefined ? [] : [{ tag: keyTag(dataOf(line)), state }];
    }),
  );
/** The same of a server. */
export const statesOf = ({ zones }: AnchorsReport): string =>
  sorted(zones.flatMap(one => one.anchors).filter(one => one.state !== 'configured'));

/** `${30*24*3600}`, `${$t0 + 7200}`, `${time}`. */
export function evaluated(text: string, values: ReadonlyMap<string, number>, now: number): number {
  const plain = text
    .replaceAll('${time}', String(now))
    .replace(/\$([a-z]\w*)/g, (_, name: string) => String(values.get(name) ?? NaN))
    .replaceAll(/[${}]/g, '')
    .trim();
  const sum = /^[\d\s+*-]+$/.test(plain) ? plain : 'NaN';
  // A sum of products.
  return sum
    .split(/(?=[+-])/)
    .map(term => {
      const product = term
        .replace(/^[+-]/, '')
        .split('*')
        .map(Number)
        .reduce((a, b) => a * b, 1);
      return term.trim().startsWith('-') ? -product : product;
    })
    .reduce((a, b) => a + b, 0);
}
