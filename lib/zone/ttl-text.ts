// TTLs as people write them in zone files: seconds, or numbers with units, `1w2d3h4m5s`.

/** @returns seconds up to 2^32 - 1; -1 for what is none */
export function parseTtl(text: Uint8Array, from: number, end: number): number {
  let total = 0;
  let value = -1;
  for (let at = from; at < end; at++) {
    const c = text[at];
    if (c >= 0x30 && c <= 0x39) {
      value = (value < 0 ? 0 : value) * 10 + c - 0x30;
    } else {
      const unit = unitOf(c | 0x20);
      if (unit === 0 || value < 0) return -1;
      total += value * unit;
      value = -1;
    }
    if (value > 0xffffffff || total > 0xffffffff) return -1;
  }
  // A number without a unit stands alone.
  if (value >= 0 && total > 0) return -1;
  if (value >= 0) total += value;
  else if (end === from) return -1;
  return total > 0xffffffff ? -1 : total;
}

function unitOf(letter: number): number {
  switch (letter) {
    case 0x73:
      return 1;
    case 0x6d:
      return 60;
    case 0x68:
      return 3600;
    case 0x64:
      return 86_400;
    case 0x77:
      return 604_800;
    default:
      return 0;
  }
}
