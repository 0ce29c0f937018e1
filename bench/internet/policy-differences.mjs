// Where BIND 9.18, Unbound 1.17 and shardns say different things by the same response policy zones, and why. Sections are those
// of draft-vixie-dnsop-dns-rpz-00.

/** A name that an alias of the small internet leads to others by. */
const isAlias = name => /^(to|alias|far\b|nowhere)/.test(name);
const client = from => Number(from.split('.').at(-1));

/** Each: who stands alone, the reason, and whether it is the one for a question. BIND and shardns agree in all of these. */
export const DIFFERENCES = [
  {
    id: 'stands still',
    alone: 'Unbound',
    why: 'behind an alias to a name with a rule of an alias to itself, or of tcp-only, it runs in a circle and answers nobody any more; it is started again',
    is: (question, { unbound }) => unbound === 'stands still',
  },
  {
    id: 'client alias',
    alone: 'Unbound',
    why: 'an alias as the action of a rule for a client is not followed, and told as no data (section 3.5: it is the answer)',
    is: ([, , , from]) => client(from) === 71,
  },
  {
    id: 'client passthru',
    alone: 'Unbound',
    why: 'what a rule lets pass by who asks is blocked by its name all the same (section 5.1: the first trigger ends it)',
    is: ([, , , from]) => client(from) === 67,
  },
  {
    id: 'self',
    alone: 'Unbound',
    why: 'a rule that names itself, the old form of passthru (section 3.3), is told as an alias to itself',
    is: ([name]) => name.startsWith('q-self.'),
  },
  {
    id: 'cached alias',
    alone: 'Unbound',
    why: 'names that an alias leads to are judged while they are resolved, and not when the alias is in the cache (sections 4.2 and 6)',
    is: ([name]) => isAlias(name),
  },
  {
    id: 'alias below',
    alone: 'Unbound',
    why: 'CNAME *.x behind an alias is told as it stands (section 3.1: the name takes the place of the asterisk)',
    is: ([name]) => name.includes('q-below') || name.includes('walledbelow'),
  },
  {
    id: 'longest prefix',
    alone: 'Unbound',
    why: 'of several addresses of an answer the first that has a rule decides, not the longest prefix (section 5.4)',
    is: ([name]) => /^(both|two)\./.test(name),
  },
  {
    id: 'cached address',
    alone: 'Unbound',
    why: 'an answer that an address has dropped is told when it is asked for again, from the cache (section 6)',
    is: ([name], { shardns }) => name.startsWith('dropped.') && shardns === 'no reply',
  },
  {
    id: 'later zone',
    alone: 'Unbound',
    why: 'names are judged by all zones before addresses are by any; a rule for an address in an earlier zone comes too late (section 5.2)',
    is: ([name]) => /^(later|laterpass)\./.test(name),
  },
  {
    id: 'servers first',
    alone: 'Unbound',
    why: 'rules for servers are looked at on the way, and end it before the answer with its addresses is there (section 5.1: addresses come first)',
    is: ([name], { bind, shardns }) =>
      bind === shardns &&
      /\.(badname\.com|badbelow\.org|badip\.org|passedip\.org|evil-dns\.net|evil-hosting\.net|child\.good\.com)$/.test(
        `.${name}`,
      ),
  },
  {
    id: 'empty',
    alone: 'Unbound',
    why: 'a wildcard rule holds for the name of an empty non-terminal of the policy zone (RFC 4592 section 2.2.2: it exists)',
    is: ([name]) => /^(none|b\.none|wildrule)\./.test(name),
  },
];

/**
 * @param said by server what each has said
 * @returns one of {@link DIFFERENCES}; undefined also where it is BIND that says something else
 */
export function differenceOf(question, said) {
  return said.shardns === said.bind ? DIFFERENCES.find(one => one.is(question, said)) : undefined;
}
