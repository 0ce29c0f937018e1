// Changes laid over a zone: the nodes that differ from it, packed like it, so that a few changes in a million records cost
// what they are, and both versions stand side by side.
import { NodeFlag, type PackedNodes } from './packed-nodes.js';

/** Names that are looked for in one step: some milliseconds. */
const NAMES_OF_STEP = 1024;

/** Finds the places of changes in a zone, in steps. */
export function* overlaying(nodes: PackedNodes, base: PackedNodes): Generator<void, Overlay> {
  const position = new Uint32Array(nodes.count);
  const replaces = new Uint8Array(nodes.count);
  for (let i = 0; i < nodes.count; i++) {
    const from = nodes.nameAt[i];
    const end = nodes.nameAt[i + 1];
    const at = base.lowerBound(nodes.names, from, end);
    position[i] = at;
    replaces[i] = at < base.count && base.compare(at, nodes.names, from, end) === 0 ? 1 : 0;
    if (i % NAMES_OF_STEP === 0) yield;
  }
  return new Overlay(nodes, position, replaces);
}

export class Overlay {
  constructor(
    readonly nodes: PackedNodes,
    /** Of each node: the first of the base that does not come before it. */
    readonly position: Uint32Array,
    /** Of each node: whether that one is the same name. */
    readonly replaces: Uint8Array,
  ) {}

  isSaid(node: number): boolean {
    return (this.nodes.flags[node] & NodeFlag.unsaid) === 0;
  }
  isLive(node: number): boolean {
    return (this.nodes.flags[node] & (NodeFlag.unsaid | NodeFlag.deleted)) === 0;
  }

  /** Whether a node of the base is replaced, or is no more. */
  hides(baseNode: number): boolean {
    const i = this.firstFrom(baseNode);
    return i < this.position.length && this.position[i] === baseNode && this.replaces[i] === 1 && this.isSaid(i);
  }

  /** The first node here that does not come before the base's; the one that replaces it comes last of those at its place. */
  firstFrom(baseNode: number): number {
    let low = 0;
    let high = this.position.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.position[middle] < baseNode || (this.position[middle] === baseNode && this.replaces[middle] === 0)) {
        low = middle + 1;
      } else high = middle;
    }
    return low;
  }
}
