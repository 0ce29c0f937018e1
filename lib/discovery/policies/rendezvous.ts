// Rendezvous hashing: of all pairs of a key and an endpoint the one with the highest score wins. The same in every process.

/** FNV-1a over the UTF-16 units of a text, 32 bits. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Two hashes as one, each bit of which depends on all of both (the finaliser of MurmurHash3). */
export function mix(a: number, b: number): number {
  let hash = a ^ Math.imul(b, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Of a uniform hash and a weight: of several the highest is each one's by its weight, exactly. 0 for weight 0. */
export function score(hash: number, weight: number): number {
  return weight / -Math.log((hash + 0.5) / 0x1_0000_0000);
}
