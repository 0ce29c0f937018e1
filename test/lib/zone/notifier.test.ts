// Telling secondaries of changes (RFC 1996), by the clock.
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../lib/base/log.js';
import { systemRandom } from '../../../lib/base/random.js';
import type { ExchangeListener, Transport } from '../../../lib/transport/transport.js';
import { encodeName } from '../../../lib/wire/name.js';
import { bareReply } from '../../../lib/zone/authority/replies.js';
import { Notifier } from '../../../lib/zone/notifier.js';
import { FakeClock } from '../../support/fake-clock.js';
import { soa } from '../../support/zone-records.js';

const apex = encodeName('example');
const peer = (i: number) => ({ server: { address: `192.0.2.${i}`, port: 53, family: 4 as const } });

class Setting {
  readonly clock = new FakeClock();
  readonly sent: { query: Uint8Array; listener: ExchangeListener; at: number; isOff: boolean }[] = [];
  readonly log: string[] = [];
  readonly notifier: Notifier;
  constructor() {
    const transport: Transport = {
      ask: (query, _, { timeoutMs }, listener) => {
        const one = { query: Uint8Array.from(query), listener, at: this.clock.nowMs(), isOff: false };
        this.sent.push(one);
        const exchange = { callOff: () => (one.isOff = true) };
        this.clock.after(timeoutMs!, () => {
          if (!one.isOff) listener.lost(new Error('no answer') as never, exchange);
        });
        return exchange;
      },
      close: () => {},
    };
    const warn = (fields: object, text: string): void => void this.log.push(`${text} ${JSON.stringify(fields)}`);
    this.notifier = new Notifier({
      clock: this.clock,
      random: systemRandom,
      log: { ...silentLogger, warn },
      transport,
    });
  }
  answer(i: number, rcode = 0): void {
    const one = this.sent[i];
    one.isOff = true;
    one.listener.answered(bareReply(one.query, rcode), { callOff: () => {} });
  }
}

describe('a notification', () => {
  test('goes out at once, and again after 15, 30, 60 and 120 seconds more; then it is given up and told', async () => {
    const setting = new Setting();
    setting.notifier.notify(apex, soa(1), [peer(1)]);
    const began = setting.clock.nowMs();
    await setting.clock.advance(600_000);
    expect(setting.sent.map(one => (one.at - began) / 1000)).toEqual([0, 15, 45, 105, 225]);
    expect([setting.notifier.pending, setting.notifier.stats.failed, setting.log.length]).toEqual([0, 1, 1]);
  });
  test('that is answered is not sent again, whatever the answer says', async () => {
    for (const rcode of [0, 5]) {
      const setting = new Setting();
      setting.notifier.notify(apex, soa(1), [peer(1)]);
      setting.answer(0, rcode);
      await setting.clock.advance(600_000);
      expect([setting.sent.length, setting.notifier.pending]).toEqual([1, 0]);
    }
  });
  test('gives way to one of a newer version', async () => {
    const setting = new Setting();
    setting.notifier.notify(apex, soa(1), [peer(1)]);
    setting.notifier.notify(apex, soa(2), [peer(1)]);
    expect([setting.sent[0].isOff, setting.notifier.pending]).toEqual([true, 1]);
    setting.answer(1);
    await setting.clock.advance(600_000);
    expect(setting.sent.length).toBe(2);
  });
  test('has 64 under way at a time; the others follow as these end', () => {
    const setting = new Setting();
    setting.notifier.notify(
      apex,
      soa(1),
      Array.from({ length: 100 }, (_, i) => peer(i)),
    );
    expect(setting.sent.length).toBe(64);
    setting.answer(0);
    expect(setting.sent.length).toBe(65);
  });
  test('of as many zones as there may be waits in a line that costs each the same', () => {
    const setting = new Setting();
    const zones = 50_000;
    for (let i = 0; i < zones; i++) setting.notifier.notify(encodeName(`z${i}`), soa(1), [peer(1)]);
    // To look through the line for each that ends would be 10^9 steps.
    for (let i = 0; i < zones; i++) setting.answer(i);
    expect([setting.sent.length, setting.notifier.pending]).toEqual([zones, 0]);
  });
  test('of one zone of as many is forgotten at the price of that one', () => {
    const setting = new Setting();
    const apexes = Array.from({ length: 50_000 }, (_, i) => encodeName(`z${i}`));
    for (const one of apexes) setting.notifier.notify(one, soa(1), [peer(1)]);
    for (const one of apexes.slice(1)) setting.notifier.forget(one);
    expect(setting.notifier.pending).toBe(1);
  }, 20_000);
});
