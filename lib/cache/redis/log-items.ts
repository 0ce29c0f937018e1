// What one entry of the log says: items of up to 4 KiB each, of which those who follow it know the meaning.
//
//   length, 2 octets | item | length | item ...

/** Octets of an item: a key of a byte cache, which is the longest. */
export const MAX_ITEM = 4200;
/** Of one entry. */
export const MAX_ITEMS = 64;

export function joinItems(items: readonly Uint8Array[]): Buffer {
  const all = Buffer.allocUnsafe(items.reduce((sum, item) => sum + 2 + item.length, 0));
  let at = 0;
  for (const item of items) {
    at = all.writeUInt16BE(item.length, at);
    all.set(item, at);
    at += item.length;
  }
  return all;
}

/** Those that are whole. */
export function* itemsOf(body: Buffer): Generator<Buffer> {
  let at = 0;
  for (let count = 0; count < MAX_ITEMS && at + 2 <= body.length; count++) {
    const end = at + 2 + body.readUInt16BE(at);
    if (end > body.length) return;
    yield body.subarray(at + 2, end);
    at = end;
  }
}
