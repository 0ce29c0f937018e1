// Replies on the signed internet: asked for whole, and comparable. And a network of one's own to ask in.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { askAll } from './compare.mjs';
import { askByTcp } from './servers.mjs';

/**
 * Starts this program again where nothing of the network outside is reached, and no port is taken. Where that is not
 * allowed, as in some containers, it runs where it is.
 */
export function inNamespaceOfItsOwn(script) {
  if (process.env.SHARDNS_NAMESPACE === 'own') {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    return;
  }
  if (spawnSync('unshare', ['-n', 'true']).status !== 0) return;
  const env = { ...process.env, SHARDNS_NAMESPACE: 'own' };
  const args = ['-n', process.execPath, fileURLToPath(script), ...process.argv.slice(2)];
  process.exit(spawnSync('unshare', args, { stdio: 'inherit', env }).status ?? 1);
}

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
