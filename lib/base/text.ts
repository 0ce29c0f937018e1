// Strings that are to become UTF-8.

/**
 * False for a string with half a surrogate pair, as when it was cut inside an emoji: UTF-8 has no octets for it, and
 * encoders put U+FFFD in its place, so that strings that differ would become the same. Free for strings of one octet a
 * character.
 */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}
