// Where BIND, Unbound and shardns say different things by the same response policy zones, and why.

/** Each: who stands alone (or in which way they differ), the reason, and whether it is the one for a question. */
export const DIFFERENCES = [];

/** @param said by server what each has said @returns one of {@link DIFFERENCES} */
export function differenceOf(question, said) {
  return DIFFERENCES.find(one => one.is(question, said));
}
