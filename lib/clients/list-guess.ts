// Which format a list is most likely of, by lines that could not be read as what it was said to be: for a warning, nothing
// else.

export type Guess = 'hosts' | 'domains' | 'adblock' | 'rpz' | 'html' | 'binary';

const NAME = String.raw`(?:\*\.)?[a-z\d_](?:[a-z\d_-]*[a-z\d_])?(?:\.[a-z\d_](?:[a-z\d_-]*[a-z\d_])?)*\.?`;
const SHAPES: readonly (readonly [Guess, RegExp])[] = [
  ['html', /^\s*<(?:!doctype|html|head|body|meta|script|div|p|title)\b/i],
  // eslint-disable-next-line no-control-regex
  ['binary', /[\0-\x08\x0e-\x1f\ufffd]/],
  ['adblock', /^(?:@@|\|\||\[Adblock)|##|#@#|\^(?:$|\$)/i],
  [
    'rpz',
    new RegExp(String.raw`^(?:@|\$TTL|\$ORIGIN|${NAME})?\s+(?:\d+\s+)?(?:IN\s+)?(?:CNAME|SOA|NS|A|AAAA|TXT)\s`, 'i'),
  ],
  ['hosts', new RegExp(String.raw`^\s*(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]*:[\da-f:]+)\s+${NAME}`, 'i')],
  ['domains', new RegExp(String.raw`^\s*${NAME}\s*(?:#.*)?$`, 'i')],
];

/** @param lines without those that are comments; undefined: they look like nothing that is known here, or like all */
export function guessFormat(lines: readonly string[]): Guess | undefined {
  const votes = new Map<Guess, number>();
  for (const line of lines) {
    const guess = SHAPES.find(([, shape]) => shape.test(line))?.[0];
    if (guess !== undefined) votes.set(guess, (votes.get(guess) ?? 0) + 1);
  }
  const [best] = [...votes].toSorted((a, b) => b[1] - a[1]);
  // A page has few lines that say so.
  if (votes.has('html')) return 'html';
  return best !== undefined && best[1] * 2 > lines.length ? best[0] : undefined;
}
