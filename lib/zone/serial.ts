// Serials of zones: numbers of 32 bits in a circle (RFC 1982).

/** How many steps a serial may go forward at once (RFC 1982 section 3.1). */
export const MAX_SERIAL_STEP = 0x7fff_ffff;

/**
 * Whether `one` comes after `other` (RFC 1982 section 3.2). Of two that lie half the circle apart neither does: whoever
 * asks stays with what there is.
 */
export function isNewer(one: number, other: number): boolean {
  const steps = (one - other) >>> 0;
  return steps > 0 && steps <= MAX_SERIAL_STEP;
}

/** The serial so many steps on, 0 left out: some servers take it for none (RFC 1912 section 2.2 advises against it). */
export function serialAfter(serial: number, steps = 1): number {
  return (serial + steps) >>> 0 || 1;
}
