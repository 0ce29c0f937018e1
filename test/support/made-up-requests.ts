// HTTP requests as those who mean harm would send them: of every kind of oddity, and the same ones at each run.
/** Of Marsaglia (2003): the same numbers at each run. */
export class Numbers {
  #state = 0x9e37_79b9;
  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }
  of<T>(some: readonly T[]): T {
    return some[this.below(some.length)];
  }
  text(most: number): string {
    return String.fromCharCode(...Array.from({ length: this.below(most) }, () => this.below(256)));
  }
}

const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PATCH',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
];
const ODD_METHODS = ['get', 'G\u0000T', '', 'QUERY', 'M-SEARCH', 'A'.repeat(5000), 'PRI'];
const VERSIONS = ['1.1', '1.1', '1.1', '1.1', '1.0', '0.9', '2.0', '9', '1.1 x'];
const HEADS = [
  'Expect: 100-continue',
  'Expect: anything',
  'Connection: upgrade\r\nUpgrade: websocket',
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Content-Length: 999999999999999999999',
  'Content-Length: -1',
  'Content-Encoding: gzip',
  'Range: bytes=0-0,-1',
  'If-Match: "',
  'If-None-Match: *',
  'Accept-Encoding: gzip;q=x',
  'Cookie: shardns-session=' + 'x'.repeat(43),
  `Cookie: ${'a=b; '.repeat(2000)}`,
  'Host: other',
  ' folded: line',
  'X\u0000: y',
  `X: ${'y'.repeat(20_000)}`,
  Array.from({ length: 300 }, (_, i) => `X${i}: y`).join('\r\n'),
];
const BODIES = [
  '{}',
  '[]',
  'null',
  '""',
  '1e999',
  '{"all":true}',
  '{"__proto__":{"x":1},"constructor":{"prototype":{}}}',
  '{"name":"a..b"}',
  `{"suffix":"${'a.'.repeat(200)}"}`,
  '{"cache":{"memory":"9".repeat}}',
  '{"log":{"level":7}}',
  '{"name":"x.example","says":"block"}',
  `${'['.repeat(50_000)}`,
  `{"a":${'{"a":'.repeat(5000)}1${'}'.repeat(5001)}`,
  '\u00ff\u00fe\u0000{',
  `{"x":"${'y'.repeat(2 ** 20)}"}`,
];

/** @param paths that are asked for, most of the time @param authorization a line that is right, without its end */
export function madeUpRequest(numbers: Numbers, paths: readonly string[], authorization: string): Buffer {
  const method = numbers.below(12) === 0 ? numbers.of(ODD_METHODS) : numbers.of(METHODS);
  let target = numbers.below(10) === 0 ? numbers.text(200) : numbers.of(paths);
  if (numbers.below(3) === 0)
    target += `?${numbers.of(['name', 'limit', 'suffix', 'type', 'span', 'x'])}=${numbers.text(20)}`;
  if (numbers.below(8) === 0) target = target.replaceAll('/', numbers.of(['//', '/./', '/%2f', '\\', '/../']));
  const heads = [`Host: ${numbers.of(['localhost', 'localhost', '127.0.0.1', 'evil.example', ''])}`];
  if (numbers.below(3) !== 0) heads.push(authorization);
  if (numbers.below(2) === 0) heads.push('Content-Type: application/json');
  if (numbers.below(2) === 0) heads.push(numbers.of(HEADS));
  if (numbers.below(5) !== 0) heads.push('Connection: close');
  let body = '';
  if (numbers.below(2) === 0) {
    body = numbers.below(50) === 0 ? BODIES.at(-1)! : numbers.of(BODIES.slice(0, -1));
    if (numbers.below(4) !== 0) heads.push(`Content-Length: ${body.length + numbers.of([0, 0, 0, 1, -1])}`);
    else {
      heads.push('Transfer-Encoding: chunked');
      const size = numbers.of([body.length.toString(16), 'ffffffff', 'zz', '0', `1;${'x'.repeat(20_000)}`]);
      body = `${size}\r\n${body}\r\n0\r\n\r\n`;
    }
  }
  const end = numbers.of(['\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r']);
  const one = `${[`${method} ${target} HTTP/${numbers.of(VERSIONS)}`, ...heads].join(end)}${end}${end}${body}`;
  const octets = Buffer.from(numbers.below(10) === 0 ? one.repeat(3) : one, 'latin1');
  for (let changes = numbers.of([0, 0, 1, 3]); changes > 0; changes--) {
    octets[numbers.below(Math.min(octets.length, 300))] = numbers.below(256);
  }
  return numbers.below(10) === 0 ? octets.subarray(0, numbers.below(octets.length)) : octets;
}
