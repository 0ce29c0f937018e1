// Where native threads tell what they have answered, and the records that they tell it in.

/** Places of a record's fields (native/udp/tap_ring.h), which is as many octets, then those of the reply, padded to 8. */
export const TapField = {
  atUs: 0,
  latencyUs: 8,
  upstream: 12,
  protocol: 14,
  address: 16,
  port: 32,
  length: 34,
  family: 36,
  by: 37,
  oneIn: 38,
  octets: 40,
} as const;
export const TapProtocol = { udp: 0, tcp: 1, tls: 2, https: 3 } as const;
export const TAP_STATS = ['written', 'dropped', 'memoryBytes'] as const;
export type TapStats = Record<(typeof TAP_STATS)[number], number>;
/** Of hits one in so many at the most. */
export const MAX_TAP_EVERY = 0xffff;
/** Octets of the greatest record. */
export const MAX_TAP_RECORD = 40 + 4096;
/** Words of the notes: two for each place of the miss ring. */
export const TAP_NOTES = 2 * 65_536;

export interface NativeTap {
  /** @param hitsEvery 0: nothing that native threads answer by themselves is told @param whole with all of each reply */
  set(on: boolean, hitsEvery: number, whole: boolean): void;
  /**
   * For each flight that is about to be answered, at twice the place of its ticket in the miss ring: the ticket, and how it
   * is answered (AnsweredBy) with the number of the upstream above 16 bits.
   * @param words TAP_NOTES, shared
   */
  registerNotes(words: Uint32Array): void;
  /** Whole records, as many as there is room for. @returns their octets; 0 when there are none left */
  take(out: Uint8Array): number;
  stats(out: Float64Array): void;
}

const tapStatsWords = new Float64Array(TAP_STATS.length);
export function readTapStats(tap: NativeTap): TapStats {
  tap.stats(tapStatsWords);
  return Object.fromEntries(TAP_STATS.map((name, at) => [name, tapStatsWords[at]])) as TapStats;
}
