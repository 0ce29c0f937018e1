// Signed zones on servers of their own, which refer to one another: the way to a zone may be forged.
import type { AskServer } from '../../lib/resolve/recurse/options.js';
import { Class, Flag, Rcode, Type, typeName } from '../../lib/wire/iana.js';
import { encodeMessage } from '../../lib/wire/message.js';
import { encodeName, equalNames, isAtOrBelow, nameToText } from '../../lib/wire/name.js';
import { recordsOfAll, type Rrset } from '../../lib/wire/rrset.js';
import { type SignedTree, unsigned } from './signed-tree.js';

export interface Reply {
  rcode: number;
  answer: readonly Rrset[];
  authority: readonly Rrset[];
  additional?: readonly Rrset[];
  /** Not authoritative. */
  isReferral?: boolean;
}

export class SignedDelegations {
  readonly asked: string[] = [];
  /** What a server says in place of the truth. */
  lie: ((server: string, name: string, type: number) => Reply | undefined) | undefined;

  /** @param servers addresses of each zone's servers */
  constructor(
    readonly tree: SignedTree,
    private readonly servers: Readonly<Record<string, readonly string[]>>,
  ) {}

  readonly ask: AskServer = ({ name, type }, server) => {
    const { address } = server.at;
    const text = nameToText(name);
    this.asked.push(`${text} ${typeName(type)} ${address}`);
    const said = this.lie?.(address, text, type) ?? this.#truth(address, name, type);
    return Promise.resolve(
      encodeMessage({
        id: 0,
        flags: Flag.QR | (said.isReferral === true ? 0 : Flag.AA) | said.rcode,
        question: { name, type, dnsClass: Class.IN },
        answers: recordsOfAll(said.answer, true),
        authorities: recordsOfAll(said.authority, true),
        additionals: recordsOfAll(said.additional ?? [], true),
      })!,
    );
  };

  /** A referral to one name server, `ns.` below the zone. */
  referral(zone: string, addresses: readonly string[]): Reply {
    const authority = [unsigned(`${zone} 86400 NS ns.${zone}`), this.tree.find(zone, 'DS')];
    const additional = addresses.map(one => unsigned(`ns.${zone} 86400 A ${one}`));
    return { rcode: Rcode.NOERROR, answer: [], authority, additional, isReferral: true };
  }

  #truth(address: string, name: Uint8Array, type: number): Reply {
    const zones = Object.keys(this.servers)
      .filter(zone => isAtOrBelow(name, encodeName(zone)))
      .filter(zone => type !== Type.DS || !equalNames(name, encodeName(zone)))
      .sort((a, b) => encodeName(a).length - encodeName(b).length);
    const own = zones.findLastIndex(zone => this.servers[zone].includes(address));
    if (own < 0) return { rcode: Rcode.REFUSED, answer: [], authority: [] };
    const below = zones.at(own + 1);
    return below === undefined ? this.tree.answer(name, type) : this.referral(below, this.servers[below]);
  }
}
