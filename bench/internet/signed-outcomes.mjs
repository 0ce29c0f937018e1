// Replies on the signed internet: asked for whole, and comparable.
import { askAll } from './compare.mjs';
import { askByTcp } from './servers.mjs';

/** What a reply says, comparable: rcode, AD, and the answer's records as a set, without TTLs. */
export function outcomeOf(sources, message) {
  if (message === undefined) return { rcode: 'none', ad: false, answer: [] };
  const { flags, answers } = sources.message.decodeMessage(message);
  const answer = answers.map(({ name, type, data }) => {
    const text = sources.name.nameToText(sources.name.foldName(name));
    const folded = sources.layout.canonicalRdata(type, data);
    return `${text} ${sources.iana.typeName(type)} ${sources.rdata.decodeRdata(type, folded)}`;
  });
  return {
    rcode: sources.iana.rcodeName(flags & 15),
    ad: (flags & 0x20) !== 0,
    answer: [...new Set(answer)].sort(),
  };
}

/** Of a failure the rcode counts, what led to it is a courtesy. */
export const isSame = (a, b) =>
  a.rcode === b.rcode &&
  a.ad === b.ad &&
  (a.rcode === 'SERVFAIL' || (a.answer.length === b.answer.length && a.answer.every((one, i) => one === b.answer[i])));

/** Replies to all of a list, whole: what is truncated is asked for again over TCP. */
export async function askWhole(port, list) {
  const replies = await askAll(
    port,
    list.map(({ name, type, flags }) => [name, type, flags]),
  );
  for (const [i, reply] of replies.entries()) {
    if (reply === undefined || (reply[2] & 2) === 0) continue;
    const { name, type, flags } = list[i];
    replies[i] = await askByTcp(port, name, type, flags);
  }
  return replies;
}

/** Extended errors (RFC 8914) of who was not answered: No Reachable Authority, Network Error. */
const UNANSWERED = [22, 23];

/** Whether a reply is a failure because name servers were not heard in time: it says nothing of what they serve. */
function isUnanswered(sources, message) {
  if (message === undefined) return true;
  const { flags, additionals } = sources.message.decodeMessage(message);
  if ((flags & 15) !== 2) return false;
  const opt = additionals.find(({ type }) => type === 41)?.data ?? Buffer.alloc(0);
  for (let at = 0; at + 4 <= opt.length; at += 4 + ((opt[at + 2] << 8) | opt[at + 3])) {
    const code = (opt[at] << 8) | opt[at + 1];
    if (code === 15 && UNANSWERED.includes((opt[at + 4] << 8) | opt[at + 5])) return true;
  }
  return false;
}

/** How often those that were not answered are asked for again, and for how long a resolver remembers that at the most. */
const ROUNDS = 5;
const REMEMBERED_MS = 6000;

/**
 * The same, and again where a resolver did not hear of name servers in time: on a machine that has other things to do they
 * all wait, and what is compared is what is said of an answer, not how soon it is there.
 */
export async function askPatiently(sources, port, list) {
  const replies = await askWhole(port, list);
  for (let round = 0; round < ROUNDS; round++) {
    const left = [...replies.keys()].filter(i => isUnanswered(sources, replies[i]));
    if (left.length === 0) break;
    await new Promise(resolve => setTimeout(resolve, REMEMBERED_MS));
    const again = await askWhole(
      port,
      left.map(i => list[i]),
    );
    left.forEach((at, i) => (replies[at] = again[i]));
  }
  return replies;
}
