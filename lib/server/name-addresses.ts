// The addresses of a name as this server's own clients are told them: for what the server itself asks by name.
import { formatAddress } from '../base/address.js';
import type { Resolver } from '../resolve/resolver.js';
import { Class, Flag, Type } from '../wire/iana.js';
import { DecodedResponse, encodeQuestion, MAX_RESPONSE_RECORDS } from '../wire/message.js';
import { Query } from '../wire/query.js';

/** @param name folded. @returns none where it has none, or cannot be resolved */
export async function addressesOf(resolver: Pick<Resolver, 'replyTo'>, name: Uint8Array): Promise<string[]> {
  const find = async (type: number): Promise<string[]> => {
    const question = { name, type, dnsClass: Class.IN };
    const reply = await resolver.replyTo(new Query(encodeQuestion({ id: 0, flags: Flag.RD, question })));
    if (reply === undefined) return [];
    const { answers } = new DecodedResponse(reply, MAX_RESPONSE_RECORDS);
    return answers.filter(one => one.type === type).map(one => formatAddress(one.data));
  };
  const [v4, v6] = await Promise.all([find(Type.A), find(Type.AAAA)]);
  return [...v4, ...v6];
}
