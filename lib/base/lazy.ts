// A value that is made when it is first asked for. What a module makes as it is loaded is time and memory of every
// program that imports the package; a table that few of them look into is made by those few.

/** @param make called once; again where it has thrown */
export function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
