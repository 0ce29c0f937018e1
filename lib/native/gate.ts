// The native gate: its methods, and the record of a rule.
import type { NativeEdge } from './edge.js';

/** Result of `judge` for a client that may not ask. */
export const REFUSED = -1;

export interface NativeGate {
  /** At once for every reader. */
  replace(set: {
    /** In the places of `gateRule`, one behind the other. */
    rules: Uint8Array;
    /** 1: whoever no rule allows may ask, too. */
    everybody: number;
    /** Not 0: tags are what `remember` was told, of so many clients. */
    clients: number;
    /** What else is decided before a lookup; none: nothing. */
    edge?: NativeEdge;
  }): void;
  /** The same of the edge alone; the rules stay. */
  replaceEdge(set: { edge?: NativeEdge }): void;
  /** Fills EDGE_STATS. */
  edgeStats(out: Float64Array): void;
  /** @param address 16 octets, where `judge` reads */
  register(address: Uint8Array): void;
  /** @param octets of the registered address, 4 or 16 @returns the client's tag, UNKNOWN_TENANT or REFUSED */
  judge(octets: number): number;
  remember(client: { address: Uint8Array; tag: number; seconds: number }): void;
  forgetClients(): void;
  /** How many are remembered. */
  clients(): number;
  memoryBytes(): number;
  /** Moves time for this object and the planes that judge by it; for tests. */
  shiftClock(ms: number): void;
}
/** Places of a rule's fields in its record, and the record's length: native/addon/gate_object.cc says them. */
export interface GateRuleFields {
  /** 16 octets, IPv4 in the first four. */
  address: number;
  /** 4 octets, little-endian, at most 65,535. */
  tag: number;
  bits: number;
  /** 4 or 6. */
  family: number;
  /** 1: clients inside may ask. */
  allow: number;
  /** 1: the tag counts. */
  tagged: number;
  /** 1: the rate class counts, at most 255. */
  classed: number;
  rateClass: number;
  /** 1: the set of lists counts, at most 63. */
  listed: number;
  listSet: number;
  octets: number;
}
