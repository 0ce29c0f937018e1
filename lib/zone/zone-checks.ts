// What a zone must be to be served, and what is likely a mistake (RFC 1912, RFC 2181 section 10, RFC 4035 section 2,
// RFC 6672 section 2.4, RFC 9276). Looks at each name once.
//
// Bound: MAX_FINDINGS of each kind are told.
import { compareLabels } from '../dnssec/canonical.js';
import { Type, typeName } from '../wire/iana.js';
import { foldName, nameToText, plainNameLength } from '../wire/name.js';
import { octetsBeforeNames } from '../wire/rdata-layout.js';
import { Denial } from './denial.js';
import { countAt, coversAt, endOfRrset, NodeFlag, RRSET_HEADER, ttlAt, typeAt } from './packed-nodes.js';
import type { Zone } from './zone.js';
import { labelsAbove } from './zone-builder.js';

export interface ZoneFinding {
  severity: 'error' | 'warning';
  message: string;
}

const MAX_FINDINGS = 100;

/** What may stand beside an alias (RFC 4034 section 2.4 and 3; RFC 2535 for KEY and SIG). */
const BESIDE_CNAME = new Set<number>([Type.CNAME, Type.RRSIG, Type.NSEC, Type.KEY, Type.SIG]);
const AT_APEX_ONLY = new Set<number>([Type.DNSKEY, Type.NSEC3PARAM, Type.CDS, Type.CDNSKEY, Type.ZONEMD]);
/** Types whose data leads to a name that is to have addresses of its own. */
const TARGETS = new Map<number, number>([
  [Type.NS, 0],
  [Type.MX, octetsBeforeNames(Type.MX)],
  [Type.SRV, 6],
]);

/** What a host's name has, or leads to it. */
const HOST_TYPES = [Type.A, Type.AAAA, Type.CNAME] as const;

interface DigestLayout {
  /** Where the digest's type stands; the digest is what follows it. */
  at: number;
  /** Its octets by its type; others are not known here. */
  sizes: ReadonlyMap<number, number>;
}
const OF_DS: DigestLayout = { at: 3, sizes: new Map([[1, 20], [2, 32], [3, 32], [4, 48]]) }; // prettier-ignore
/** Types whose data ends in a digest, which is cut off or has a digit too many where its length is another one. */
const DIGESTS = new Map<number, DigestLayout>([
  ...[Type.DS, Type.CDS, Type.DLV, Type.TA].map(type => [type, OF_DS] as const),
  [Type.SSHFP, { at: 1, sizes: new Map([[1, 20], [2, 32]]) }], // prettier-ignore
  [Type.ZONEMD, { at: 5, sizes: new Map([[1, 48], [2, 64]]) }], // prettier-ignore
]);

export function checkZone(zone: Zone): ZoneFinding[] {
  const checks = new Checks(zone);
  checks.run();
  return checks.findings;
}

class Checks {
  readonly findings: ZoneFinding[] = [];
  #counts = { error: 0, warning: 0 };
  readonly #apex: number;
  readonly #targets = new Uint8Array(256);

  constructor(private readonly zone: Zone) {
    this.#apex = zone.apexNode;
  }

  #say(severity: 'error' | 'warning', message: string): void {
    if (++this.#counts[severity] <= MAX_FINDINGS) this.findings.push({ severity, message });
  }
  #nameOf(node: number): string {
    const nodes = this.zone.nodesOf(node);
    const i = this.zone.indexOf(node);
    return nameToText(Buffer.concat([nodes.names.subarray(nodes.nameAt[i], nodes.nameAt[i + 1]), this.zone.apex]));
  }

  run(): void {
    const { zone } = this;
    if (zone.rrset(this.#apex, Type.NS) < 0) this.#say('error', `${zone.name} NS: expected one or more at the apex`);
    /** A cut or a DNAME: what lies below it follows at once. */
    let above = -1;
    for (const node of zone.nodes()) {
      if (above >= 0 && this.#isBelow(node, above)) {
        const flags = zone.flagsOf(above);
        if ((flags & NodeFlag.cut) === 0 && (zone.flagsOf(node) & NodeFlag.empty) === 0) {
          const text = `${this.#nameOf(node)}: lies below a DNAME, and is not served (RFC 6672 section 2.4)`;
          this.#say('warning', text);
        }
        this.#node(node, true);
        continue;
      }
      above = -1;
      this.#node(node, false);
      if ((zone.flagsOf(node) & (NodeFlag.cut | NodeFlag.dname)) !== 0) above = node;
    }
    this.#denial();
  }

  #isBelow(node: number, above: number): boolean {
    const { zone } = this;
    const nodes = zone.nodesOf(above);
    const i = zone.indexOf(above);
    const labels = foldName(nodes.names, nodes.nameAt[i], nodes.nameAt[i + 1]);
    return zone.nodesOf(node).isBelow(zone.indexOf(node), labels, 0, labels.length);
  }

  #node(node: number, isOccluded: boolean): void {
    const { zone } = this;
    const flags = zone.flagsOf(node);
    const isApex = node === this.#apex;
    const nodes = zone.nodesOf(node);
    const index = zone.indexOf(node);
    const { data, names } = nodes;
    const at = nodes.nameAt[index];
    const isWildcard = names[at] === 1 && names[at + 1] === 0x2a && nodes.nameAt[index + 1] > at;
    const isCut = (flags & NodeFlag.cut) !== 0 && !isApex;
    const refuse = (what: string): void => this.#say('error', `${this.#nameOf(node)} ${what}`);
    const warn = (what: string): void => this.#say('warning', `${this.#nameOf(node)} ${what}`);
    for (let here = nodes.dataAt[index], end = nodes.dataAt[index + 1]; here < end; here = endOfRrset(data, here)) {
      const type = typeAt(data, here);
      if ((flags & NodeFlag.cname) !== 0 && !BESIDE_CNAME.has(type)) {
        refuse(`CNAME: expected no other data beside it, found ${typeName(type)}`);
      }
      if ((type === Type.CNAME || type === Type.DNAME) && countAt(data, here) > 1) {
        refuse(`${typeName(type)}: expected one, found ${countAt(data, here)}`);
      }
      if (type === Type.SOA && !isApex) refuse('SOA: expected one at the apex only');
      if (type === Type.NS && isWildcard) refuse('NS: expected none at a wildcard (RFC 4592 section 4.2)');
      if (type === Type.DNAME && isWildcard) warn('DNAME: means nothing at a wildcard here (RFC 6672 section 3.3)');
      if (type === Type.DNAME && isCut)
        warn('DNAME: beside NS it means nothing but at the apex (RFC 6672 section 2.3)');
      if (type === Type.DS && !isCut) refuse('DS: expected beside NS, at a zone cut');
      if (AT_APEX_ONLY.has(type) && !isApex) warn(`${typeName(type)}: means something at the apex only`);
      if (type === Type.RRSIG) this.#signature(node, here);
      const digest = DIGESTS.get(type);
      if (digest !== undefined) this.#digests(node, type, here, digest);
      const before = TARGETS.get(type);
      if (before !== undefined && !isOccluded) this.#follow(node, type, here, before);
    }
  }

  #digests(node: number, type: number, at: number, digest: DigestLayout): void {
    const data = this.zone.dataOf(node);
    let here = at + RRSET_HEADER;
    for (let left = countAt(data, at); left > 0; left--) {
      const length = (data[here] << 8) | data[here + 1];
      const kind = data[here + 2 + digest.at];
      const size = length - digest.at - 1;
      const expected = digest.sizes.get(kind);
      if (expected !== undefined && size !== expected) {
        const text = `${typeName(type)}: expected ${expected} octets of a digest of type ${kind}, found ${size}`;
        this.#say('warning', `${this.#nameOf(node)} ${text}`);
      }
      here += 2 + length;
    }
  }

  #signature(node: number, at: number): void {
    const { zone } = this;
    const data = zone.dataOf(node);
    const covers = coversAt(data, at);
    const covered = zone.rrset(node, covers);
    if (covered < 0) {
      this.#say('warning', `${this.#nameOf(node)} RRSIG: covers ${typeName(covers)}, of which there is none`);
    } else if (ttlAt(data, covered) !== ttlAt(data, at)) {
      const text = `${this.#nameOf(node)} RRSIG: another TTL than the ${typeName(covers)} that it covers`;
      this.#say('warning', text);
    }
  }

  /** Targets inside the zone: that they exist, and are no alias (RFC 2181 section 10.3). */
  #follow(node: number, type: number, at: number, before: number): void {
    const { zone } = this;
    const data = zone.dataOf(node);
    let here = at + RRSET_HEADER;
    for (let left = countAt(data, at); left > 0; left--) {
      const length = (data[here] << 8) | data[here + 1];
      const name = here + 2 + before;
      here += 2 + length;
      const size = plainNameLength(data, name);
      const cut = size === 0 ? -1 : labelsAbove(zone.apex, data, name, size);
      if (cut < 0) continue;
      for (let i = 0; i < cut - name; i++) {
        const c = data[name + i];
        this.#targets[i] = c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
      }
      const target = zone.find(this.#targets, 0, cut - name);
      const owner = (): string => this.#nameOf(node);
      const text = (): string => nameToText(data.subarray(name, name + size));
      if (target >= 0 && (zone.flagsOf(target) & NodeFlag.cname) !== 0) {
        const severity = type === Type.NS && node === this.#apex ? 'error' : 'warning';
        this.#say(severity, `${owner()} ${typeName(type)}: ${text()} is an alias (RFC 2181 section 10.3)`);
      } else if (type === Type.NS && this.#needsGlue(node, cut - name)) {
        const has = target >= 0 && (zone.rrset(target, Type.A) >= 0 || zone.rrset(target, Type.AAAA) >= 0);
        // A zone whose own servers nobody finds; or one below it.
        const severity = node === this.#apex ? 'error' : 'warning';
        if (!has) this.#say(severity, `${owner()} NS: no address for ${text()}, which nobody else can give`);
      } else if (size > 1 && !this.#hasAddress(target, cut - name)) {
        // A final dot is missing, most often.
        this.#say('warning', `${owner()} ${typeName(type)}: no address for ${text()}, which lies in this zone`);
      }
    }
  }

  /** Whether the name now in `#targets`, that node, has an address or an alias, a wildcard's too, or is for others to say. */
  #hasAddress(target: number, length: number): boolean {
    const { zone } = this;
    const has = (node: number): boolean => node >= 0 && HOST_TYPES.some(type => zone.rrset(node, type) >= 0);
    if (has(target)) return true;
    const targets = this.#targets;
    let encloser = -1;
    for (let at = 0; at <= length; at += 1 + targets[at]) {
      const node = at < length ? zone.find(targets, at, length) : this.#apex;
      if (node < 0) continue;
      const flags = zone.flagsOf(node);
      if ((flags & NodeFlag.cut) !== 0 || (at > 0 && (flags & NodeFlag.dname) !== 0)) return true;
      if (encloser < 0) encloser = at;
    }
    if (encloser === 0) return false;
    const wildcard = Uint8Array.of(1, 0x2a, ...targets.subarray(encloser, length));
    return has(zone.find(wildcard, 0, wildcard.length));
  }

  /** Whether a name server's name, now in `#targets`, lies at or below the cut itself, or is the zone's own. */
  #needsGlue(node: number, length: number): boolean {
    const { zone } = this;
    if (node === this.#apex) return true;
    const nodes = zone.nodesOf(node);
    const i = zone.indexOf(node);
    const [from, end] = [nodes.nameAt[i], nodes.nameAt[i + 1]];
    const begin = length - (end - from);
    return begin >= 0 && compareLabels(this.#targets, begin, length, nodes.names, from, end) === 0;
  }

  #denial(): void {
    const { zone } = this;
    const denial = Denial.of(zone);
    if (zone.rrset(this.#apex, Type.RRSIG, Type.SOA) < 0) return;
    if (denial === undefined) {
      this.#say('error', `${zone.name}: signed, and neither NSEC nor NSEC3 records of its NSEC3PARAM at the apex`);
    } else if (denial.iterations > 0) {
      const text = `${zone.name} NSEC3PARAM: ${denial.iterations} iterations, expected 0 (RFC 9276 section 3.1)`;
      this.#say('warning', text);
    }
  }
}
