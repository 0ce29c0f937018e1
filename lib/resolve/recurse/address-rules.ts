// Which addresses may be asked, and which may stand in answers from outside (rebinding).
import { type AddressPrefix, addressOctets } from '../../base/address.js';
import { ExtendedError, Type } from '../../wire/iana.js';
import { isAtOrBelow, nameToText } from '../../wire/name.js';
import { addressHints } from '../../wire/svcb.js';
import type { Rrset } from '../../wire/rrset.js';
import type { Found, Meaning } from './classify.js';
import { ResolutionError } from './job.js';

export class AddressRules {
  constructor(
    private readonly doNotQuery: readonly AddressPrefix[],
    private readonly privateAddresses: readonly AddressPrefix[],
    /** Folded names that may have private addresses, with all below them. */
    private readonly privateDomains: readonly Uint8Array[],
    /** Answers with private addresses are refused rather than stripped of them. */
    private readonly refuses = false,
  ) {}

  forbidden(address: string, family: 4 | 6): boolean {
    return this.doNotQuery.length > 0 && contains(this.doNotQuery, family, addressOctets(address));
  }

  get hidesAny(): boolean {
    return this.privateAddresses.length > 0;
  }

  /** @throws {ResolutionError} where what is left out ends the resolution */
  visibleOnly(rrsets: readonly Rrset[]): Rrset[] {
    const shown = rrsets.map(one => this.#visible(one));
    const hidden = this.refuses ? shown.find((one, i) => one !== rrsets[i]) : undefined;
    if (hidden !== undefined) {
      throw new ResolutionError(`${nameToText(hidden.name)} has a private address`, ExtendedError.blocked);
    }
    return shown.filter(one => one.data.length > 0);
  }

  /** The RRset without private addresses, in hints of services neither. */
  #visible(rrset: Rrset): Rrset {
    if (!ADDRESSES.has(rrset.type)) return rrset;
    if (this.privateDomains.some(name => isAtOrBelow(rrset.name, name))) return rrset;
    const family = rrset.type === Type.A ? 4 : 6;
    const service = rrset.type === Type.SVCB || rrset.type === Type.HTTPS;
    const data = rrset.data.filter(octets =>
      service
        ? !addressHints(octets).some(hint => this.#isPrivate(hint.length === 4 ? 4 : 6, hint))
        : !this.#isPrivate(family, octets),
    );
    return data.length === rrset.data.length ? rrset : { ...rrset, data, signatures: [] };
  }

  #isPrivate(family: 4 | 6, octets: Uint8Array): boolean {
    // An IPv4 address in an IPv6 one (RFC 4291 section 2.5.5.2) reaches the same machine.
    const mapped =
      family === 6 && octets.slice(0, 10).every(octet => octet === 0) && octets[10] === 255 && octets[11] === 255;
    return (
      contains(this.privateAddresses, family, octets) ||
      (mapped && contains(this.privateAddresses, 4, octets.subarray(12)))
    );
  }
}

const ADDRESSES = new Set<number>([Type.A, Type.AAAA, Type.SVCB, Type.HTTPS]);

function contains(prefixes: readonly AddressPrefix[], family: 4 | 6, octets: Uint8Array): boolean {
  return prefixes.some(prefix => {
    if (prefix.family !== family || octets.length !== prefix.octets.length) return false;
    const whole = prefix.bits >> 3;
    for (let i = 0; i < whole; i++) if (octets[i] !== prefix.octets[i]) return false;
    const rest = prefix.bits & 7;
    return rest === 0 || ((octets[whole] ^ prefix.octets[whole]) & (0xff00 >> rest) & 0xff) === 0;
  });
}

/**
 * What a response means once private addresses are taken out of it; an answer of nothing else is none.
 * @throws {ResolutionError} where such an answer is refused
 */
export function withoutPrivate(meaning: Meaning, rules: AddressRules): Meaning {
  if (!rules.hidesAny) return meaning;
  const found = (one: Found): Found => ({ ...one, rrsets: rules.visibleOnly(one.rrsets) });
  switch (meaning.kind) {
    case 'answer':
      return found(meaning);
    case 'recursive':
      return { ...meaning, found: found(meaning.found) };
    case 'referral':
      return { ...meaning, glue: rules.visibleOnly(meaning.glue) };
    default:
      return meaning;
  }
}
