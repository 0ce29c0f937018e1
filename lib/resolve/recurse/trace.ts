// The steps of a resolution, for people to read.
import { Rcode, rcodeName } from '../../wire/iana.js';
import { nameToText } from '../../wire/name.js';
import type { Meaning } from './classify.js';

export interface TraceEvent {
  /** Milliseconds by the resolver's clock. */
  atMs: number;
  /** Resolutions inside resolutions; 0 = the query itself. */
  depth: number;
  kind:
    | 'cache'
    | 'zone'
    | 'ask'
    | 'answer'
    | 'referral'
    | 'alias'
    | 'lame'
    | 'failure'
    | 'server'
    | 'local'
    | 'hook'
    | 'view'
    | 'filter'
    | 'validate'
    | 'dns64'
    | 'fleet';
  text: string;
}

export function describeMeaning(meaning: Meaning): string {
  switch (meaning.kind) {
    case 'answer':
      if (meaning.target !== undefined) return 'an alias';
      if (meaning.rrsets.length > 0) return `${meaning.rrsets.reduce((sum, one) => sum + one.data.length, 0)} records`;
      return meaning.rcode === Rcode.NXDOMAIN ? 'no such name' : 'no such records';
    case 'referral':
      return `referred to the servers of ${nameToText(meaning.ns.name)}`;
    case 'recursive':
      return 'an answer without authority';
    case 'lame':
      return 'does not serve the zone';
    case 'empty':
      return 'nothing';
    case 'useless':
      return rcodeName(meaning.rcode);
  }
}
