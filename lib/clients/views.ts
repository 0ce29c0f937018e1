// Whose view a client has, by where it asks from, and whether its answers are translated (DNS64): prefixes with tags. A tag
// is a view's number in the list, from 1, 0 for clients of none; those whose answers are translated have tags of their own
// behind these. Clients of different tags share no replies, while the RRsets under them are everybody's.
import { type AddressPrefix, parsePrefix } from '../base/address.js';
import { Covering, prefixKey } from '../base/prefix-table.js';

/** @throws {ShardnsError} ERR_SHARDNS_OPTION naming the prefix */
export function viewPrefixes(views: readonly { clients: readonly string[] }[]): (readonly [AddressPrefix, number])[] {
  return views.flatMap(({ clients }, i) =>
    clients.map((text, j) => [parsePrefix(text, `views[${i}].clients[${j}]`), i + 1] as const),
  );
}

/** The least tag of clients whose answers are translated, where there are others too. */
export const firstTranslatedTag = (views: number): number => views + 1;

/**
 * The tag of each prefix that differs from what holds it.
 * @param translated whose answers are translated; none: everybody's are, or nobody's
 */
export function taggedPrefixes(
  views: readonly (readonly [AddressPrefix, number])[],
  viewCount: number,
  translated: readonly AddressPrefix[],
): (readonly [AddressPrefix, number])[] {
  if (translated.length === 0) return [...views];
  const ofViews = new Covering(views);
  const ofTranslated = new Covering(translated.map(prefix => [prefix, true] as const));
  const all = new Map([...ofViews.prefixes, ...ofTranslated.prefixes].map(prefix => [prefixKey(prefix), prefix]));
  return [...all.values()].map(prefix => {
    const more = ofTranslated.find(prefix) === true ? firstTranslatedTag(viewCount) : 0;
    return [prefix, (ofViews.find(prefix) ?? 0) + more] as const;
  });
}

/** The view that a tag stands for; undefined for none, and for tags of views that are gone. */
export function viewWithTag<View>(views: readonly View[], tag: number): View | undefined {
  const first = firstTranslatedTag(views.length);
  return views[(tag >= first ? tag - first : tag) - 1];
}
