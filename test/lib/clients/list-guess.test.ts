// What lines of a list look like.
import { expect, test } from 'vitest';
import { guessFormat } from '../../../lib/clients/list-guess.js';

test.each([
  ['hosts', ['0.0.0.0 a.example', '127.0.0.1\tb.example c.example', ':: d.example']],
  ['domains', ['a.example', '*.b.example', 'xn--bcher-kva.example # books', 'x.com']],
  ['adblock', ['||a.example^', '@@||b.example^$important', 'c.example##.ad', 'd.example']],
  ['rpz', ['$TTL 60', '@ SOA localhost. root.localhost. 1 2 3 4 5', 'a.example CNAME .', '*.a.example 60 IN CNAME .']],
  ['html', ['  <!doctype html>', 'a.example', 'b.example']],
  ['binary', ['\u001f\u008b\u0008\ufffd', '\u0000\u0001']],
  [undefined, ['what is this?', 'a b c d', 'a.example']],
  [undefined, []],
])('%s', (guess, lines) => {
  expect(guessFormat(lines)).toBe(guess);
});

test('a long line takes no longer than its letters', () => {
  const began = performance.now();
  for (const line of [`${'a'.repeat(50_000)}!`, `${'a-'.repeat(50_000)}!`, `${'a.'.repeat(50_000)}!`])
    guessFormat([line]);
  expect(performance.now() - began).toBeLessThan(20_000);
});
