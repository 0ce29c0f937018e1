// Says in the log what was refused to those who ask for zones: a secondary that no rule has, an update with a wrong key. Whoever
// sets servers up looks there first; an rcode does not say which of the two sides is to be looked at.
//
// Bound: anybody may be refused, so LINES_PER_SECOND of each kind.
import type { Clock } from '../../base/clock.js';
import { type Logger, rateLimited } from '../../base/log.js';
import { nameToText } from '../../wire/name.js';
import type { AccessClient } from '../access.js';
import { type TsigRecord, tsigErrorName } from '../tsig/record.js';

const LINES_PER_SECOND = 1;

export class Refusals {
  readonly #log: Logger;

  constructor(log: Logger, clock: Clock) {
    this.#log = rateLimited(log, clock, LINES_PER_SECOND);
  }

  say(what: 'a notification' | 'a transfer' | 'an update', { address, key }: AccessClient, zone: string): void {
    const signed = key === undefined ? {} : { key: nameToText(key.name) };
    this.#log.warn({ from: address, ...signed, zone }, `${what} was refused`);
  }

  saySignature(
    { address }: AccessClient,
    { tsig: { name, algorithm }, error }: { tsig: TsigRecord; error: number },
  ): void {
    const claimed = { key: nameToText(name), algorithm: nameToText(algorithm) };
    this.#log.warn({ from: address, ...claimed, error: tsigErrorName(error) }, 'a signature was refused');
  }
}
