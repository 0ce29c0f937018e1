// Which records of a zone's chain go with an answer for those who asked with DO (RFC 4035 section 3.1.3; RFC 5155 section
// 7.2). Each is written once.
import { wildcardOf } from '../dnssec/canonical.js';
import { Type } from '../wire/iana.js';
import { type AnswerWriter, Section } from './answer-writer.js';
import { Denial } from './denial.js';
import type { Zone } from './zone.js';

export class Proofs {
  readonly #written: number[] = [];
  readonly #denial: Denial | undefined;

  constructor(
    private readonly zone: Zone,
    private readonly writer: AnswerWriter,
  ) {
    this.#denial = Denial.of(zone);
  }

  /** The name does not exist, nor a wildcard for it. @param encloser the longest name above it that exists */
  nxdomain(name: Uint8Array, encloser: Uint8Array, nextCloser: Uint8Array): void {
    const denial = this.#denial;
    if (denial === undefined) return;
    if (!denial.isHashed) {
      this.#write(denial.covering(name));
      this.#write(denial.covering(wildcardOf(encloser)));
      return;
    }
    const provable = this.#encloser(encloser, nextCloser);
    this.#write(denial.covering(wildcardOf(provable)));
  }

  /** The name has nothing of the type. */
  nodata(name: Uint8Array): void {
    const denial = this.#denial;
    if (denial === undefined) return;
    const matching = denial.matching(name);
    if (matching >= 0) this.#write(matching);
    else if (!denial.isHashed) this.#write(denial.covering(name));
    // Opt-out: a delegation that is not signed, or a name with nothing but such below it.
    else if (name.length > this.zone.apex.length) this.#encloser(name.subarray(1 + name[0]), name);
  }

  /** A wildcard was used: nothing stands between. */
  wildcard(name: Uint8Array, nextCloser: Uint8Array): void {
    const denial = this.#denial;
    if (denial !== undefined) this.#write(denial.covering(denial.isHashed ? nextCloser : name));
  }

  /** It was, and has nothing of the type. */
  wildcardNodata(name: Uint8Array, encloser: Uint8Array, nextCloser: Uint8Array): void {
    const denial = this.#denial;
    if (denial === undefined) return;
    if (denial.isHashed) this.#encloser(encloser, nextCloser);
    else this.#write(denial.covering(name));
    const wildcard = wildcardOf(encloser);
    const matching = denial.matching(wildcard);
    this.#write(matching >= 0 || denial.isHashed ? matching : denial.covering(wildcard));
  }

  /** The closest encloser that has a record, and what covers the name below it. @returns that encloser */
  #encloser(encloser: Uint8Array, nextCloser: Uint8Array): Uint8Array {
    const denial = this.#denial!;
    let matching = denial.matching(encloser);
    while (matching < 0 && encloser.length > this.zone.apex.length) {
      nextCloser = encloser;
      encloser = encloser.subarray(1 + encloser[0]);
      matching = denial.matching(encloser);
    }
    this.#write(matching);
    this.#write(denial.covering(nextCloser));
    return encloser;
  }

  #write(node: number): void {
    if (node < 0 || this.#written.includes(node)) return;
    this.#written.push(node);
    const { zone, writer } = this;
    const { type } = this.#denial!;
    writer.rrset(Section.authority, zone, node, zone.rrset(node, type));
    const signatures = zone.rrset(node, Type.RRSIG, type);
    if (signatures >= 0) writer.rrset(Section.authority, zone, node, signatures);
  }
}
