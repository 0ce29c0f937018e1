// Whose view a client has, by where it asks from: the prefixes of each view, with its tag. A tag is a view's number in
// the list, from 1; views of different tags share no replies, while the RRsets under them are everybody's.
import { type AddressPrefix, parsePrefix } from '../base/address.js';

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming the prefix */
export function viewPrefixes(views: readonly { clients: readonly string[] }[]): (readonly [AddressPrefix, number])[] {
  return views.flatMap(({ clients }, i) =>
    clients.map((text, j) => [parsePrefix(text, `views[${i}].clients[${j}]`), i + 1] as const),
  );
}

/** The view that a tag stands for; undefined for 0, and for tags of views that are gone. */
export const viewWithTag = <View>(views: readonly View[], tag: number): View | undefined => views[tag - 1];
