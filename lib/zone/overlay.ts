// Changes laid over a zone: the nodes that differ from it, packed like it, so that a few changes in a million records cost
// what they are, and both versions stand side by side.
import { NodeFlag, type PackedNodes } from './packed-nodes.js';

export class Overlay {
  /** Of each node: the first of the base that does not come before it. */
  readonly position: Uint32Array;
  /** Of each node: whether that one is the same name. */
  readonly replaces: Uint8Array;

  constructor(
    readonly nodes: PackedNodes,
    base: PackedNodes,
  ) {
    this.position = new Uint32Array(nodes.count);
    this.replaces = new Uint8Array(nodes.count);
    for (let i = 0; i < nodes.count; i++) {
      const from = nodes.nameAt[i];
      const end = nodes.nameAt[i + 1];
      const at = base.lowerBound(nodes.names, from, end);
      this.position[i] = at;
      this.replaces[i] = at < base.count && base.compare(at, nodes.names, from, end) === 0 ? 1 : 0;
    }
  }

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
