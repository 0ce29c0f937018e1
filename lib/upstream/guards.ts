// What a query over UDP is guarded by against forgers beside its id: random letters in its name
// (draft-vixie-dnsext-dns0x20), and the port that it goes out from (RFC 5452). Toward which servers, is decided here.
import type { Upstream } from './upstream.js';

/** `public`: names go out in random letters, but for servers on this machine and in private networks. */
export type LetterCase = 'public' | 'always' | 'never';

export function lettersFor(upstream: Upstream, letterCase: LetterCase = 'public'): 'drawn' | 'kept' {
  const plain = letterCase === 'never' || (letterCase === 'public' && upstream.scope !== 'public');
  return plain || upstream.letters.granted ? 'kept' : 'drawn';
}

/** From outside nobody can send in the name of an address of this machine or network. */
export function entropyFor(upstream: Upstream): 'guarded' | 'any' {
  return upstream.scope === 'public' ? 'guarded' : 'any';
}
