// What is forgotten while it is being asked for does not come back with the answer, and whoever asks afterwards does not
// wait for that.
import { describe, expect, test } from 'vitest';
import type { AskServer } from '../../../lib/resolve/recurse/options.js';
import type { Recursor } from '../../../lib/resolve/recurse/recursor.js';
import { Type, typeName } from '../../../lib/wire/iana.js';
import { encodeName, nameToText } from '../../../lib/wire/name.js';
import { settle } from '../../support/fake-clock.js';
import { smallInternet } from '../../support/fake-internet.js';
import { answerA, makeResponse, soa } from '../../support/messages.js';
import { setUpRecursor, texts } from '../../support/recursor.js';
import { slowPath } from '../../support/slow-path.js';

/** Servers whose responses are held back, as they were when they were asked for, by one of one's choice of a question of one's choice. */
function start() {
  const internet = smallInternet();
  let held: string | undefined;
  const waiting: (() => void)[] = [];
  const ask: AskServer = async (question, server, ...rest) => {
    const response = await internet.ask(question, server, ...rest);
    if (`${server.at.address} ${nameToText(question.name)} ${typeName(question.type)}` === held) {
      await new Promise<void>(resolve => waiting.push(resolve));
    }
    return response;
  };
  const one = setUpRecursor({ qnameMinimisation: 'off' }, internet, ask);
  return {
    ...one,
    /** Begins a question, up to where the response to `what` is held back. @returns ends it */
    async begin(name: string, what: string): Promise<() => Promise<string[]>> {
      held = what;
      const asked = one.resolve(name);
      await settle();
      expect(waiting).toHaveLength(1);
      held = undefined;
      return async () => {
        for (const resolve of waiting) resolve();
        return texts(await asked);
      };
    },
  };
}

const OLD = 'A 10.0.0.1';
const NEW = 'A 10.9.9.9';
const WWW = 'www.example.com';

function change({ internet }: ReturnType<typeof start>): void {
  internet.replace(
    '192.0.2.10',
    'example.com.',
    `example.com. SOA ns.example. hostmaster.example. 2 3600 600 86400 300
    example.com. NS ns.example.com.
    ns.example.com. 3600 A 192.0.2.10
    www.example.com. A 10.9.9.9
    alias.example.com. CNAME www.example.com.
    later.example.com. A 10.9.9.8`,
  );
}

const forgettings: [string, (recursor: Recursor) => void][] = [
  ['the name', recursor => recursor.forgetName(encodeName(WWW))],
  ['everything', recursor => recursor.clear()],
];

describe.each(forgettings)('an answer that was asked for before %s was forgotten', (_, forget) => {
  test('is told to those who wait, and not kept', async () => {
    const t = start();
    const end = await t.begin(WWW, `192.0.2.10 ${WWW}. A`);
    change(t);
    forget(t.recursor);
    expect(await end()).toEqual([OLD]);
    expect(t.rrsets.get(encodeName(WWW), Type.A)).toBeUndefined();
    expect(texts(await t.resolve(WWW))).toEqual([NEW]);
  });

  test('is waited for by nobody who asks afterwards, and does not replace what they are told', async () => {
    const t = start();
    const end = await t.begin(WWW, `192.0.2.10 ${WWW}. A`);
    change(t);
    forget(t.recursor);
    expect(texts(await t.resolve(WWW))).toEqual([NEW]);
    expect(await end()).toEqual([OLD]);
    const asked = t.internet.asked.length;
    expect(texts(await t.resolve(WWW))).toEqual([NEW]);
    expect(t.internet.asked).toHaveLength(asked);
  });

  test('is not kept as the end of an alias either', async () => {
    const t = start();
    const end = await t.begin('alias.example.com', `192.0.2.10 ${WWW}. A`);
    change(t);
    forget(t.recursor);
    expect(await end()).toEqual([`CNAME ${WWW}.`, OLD]);
    expect(texts(await t.resolve(WWW))).toEqual([NEW]);
  });
});

test('a denial is not kept either', async () => {
  const t = start();
  const name = 'later.example.com';
  const end = await t.begin(name, `192.0.2.10 ${name}. A`);
  change(t);
  t.recursor.forgetName(encodeName(name));
  expect(await end()).toEqual([]);
  expect(texts(await t.resolve(name))).toEqual(['A 10.9.9.8']);
});

test('nor a referral: who asks afterwards asks the servers that the zone has now', async () => {
  const t = start();
  const end = await t.begin(WWW, `192.0.2.2 ${WWW}. A`);
  t.internet
    .replace('192.0.2.2', 'com.', 'example.com. NS ns2.example.com.\nns2.example.com. A 192.0.2.20')
    .serve('192.0.2.20', 'example.com.', `${WWW}. A 10.9.9.9`);
  t.recursor.forgetName(encodeName('example.com'));
  expect(texts(await t.resolve(WWW))).toEqual([NEW]);
  t.recursor.forgetName(encodeName('example.com'));
  expect(await end()).toEqual([OLD]);
  expect(t.rrsets.delegation(encodeName('example.com'))).toBeUndefined();
});

test('a priming of before is not waited for, and what it finds is not kept', async () => {
  const t = start();
  const end = await t.begin(WWW, '192.0.2.1 . NS');
  t.recursor.clear();
  expect(texts(await t.resolve(WWW))).toEqual([OLD]);
  expect(t.recursor.stats.primings).toBe(2);
  t.rrsets.forgetDelegation(Uint8Array.of(0));
  await end();
  expect(t.rrsets.delegation(Uint8Array.of(0))).toBeUndefined();
});

test('what else was being asked for is kept when a name is forgotten', async () => {
  const t = start();
  const end = await t.begin('www.example.net', '192.0.2.11 www.example.net. A');
  t.recursor.forgetName(encodeName(WWW));
  await end();
  const asked = t.internet.asked.length;
  await t.resolve('www.example.net');
  expect(t.internet.asked).toHaveLength(asked);
});

test.each([
  ['the name', { name: encodeName('a.example') }],
  ['a suffix', { suffix: encodeName('example') }],
  ['everything', 'all' as const],
])('a forwarder asks its upstream anew after it forgot %s, though it is being asked', async (_, what) => {
  let address = '192.0.2.1';
  const waiting: (() => void)[] = [];
  const t = slowPath(async query => {
    const response = answerA(query, 300, address);
    if (address === '192.0.2.1') await new Promise<void>(resolve => waiting.push(resolve));
    return response;
  });
  const first = t.told('a.example');
  await settle();
  address = '192.0.2.2';
  t.resolver.forget(what);
  expect((await t.told('a.example')).data).toEqual(['192.0.2.2']);
  for (const resolve of waiting) resolve();
  expect((await first).data).toEqual(['192.0.2.1']);
  expect((await t.told('a.example')).data).toEqual(['192.0.2.2']);
  expect(t.udp.asked).toHaveLength(2);
});

describe('what is under way while others forget in the same cache', () => {
  function holding() {
    let address = '192.0.2.1';
    const waiting: (() => void)[] = [];
    const t = slowPath(async query => {
      const response = answerA(query, 300, address);
      await new Promise<void>(resolve => waiting.push(resolve));
      return response;
    });
    const end = async (): Promise<void> => {
      for (const resolve of waiting.splice(0)) resolve();
      await settle();
    };
    return { t, end, use: (other: string) => (address = other) };
  }
  test.each([
    ['the name', { name: encodeName('a.example') }],
    ['a suffix', { suffix: encodeName('example') }],
    ['everything', 'all' as const],
  ])('%s: it is told and not kept', async (_, what) => {
    const { t, end, use } = holding();
    const first = t.told('a.example');
    await settle();
    t.engine.invalidate(what); // by another one that has the cache
    use('192.0.2.2');
    await end();
    expect((await first).data).toEqual(['192.0.2.1']);
    const second = t.told('a.example');
    await settle();
    await end();
    expect((await second).data).toEqual(['192.0.2.2']);
  });
  test('nobody joins it, and what is asked then is kept', async () => {
    const { t, end, use } = holding();
    const first = t.told('a.example');
    await settle();
    t.engine.invalidate('all');
    use('192.0.2.2');
    const second = t.told('a.example');
    await settle();
    await end();
    expect([(await first).data, (await second).data]).toEqual([['192.0.2.1'], ['192.0.2.2']]);
    expect((await t.told('a.example')).data).toEqual(['192.0.2.2']);
    expect(t.udp.asked).toHaveLength(2);
  });
  test('a failure is not remembered', async () => {
    let rcode = 2;
    const t = slowPath(query => makeResponse(query, { rcode, authorities: rcode === 3 ? [soa('example')] : [] }));
    expect((await t.told('a.example')).rcode).toBe(2);
    t.engine.invalidate('all');
    rcode = 3;
    expect((await t.told('a.example')).rcode).toBe(3);
  });
  test('what is forgotten by way of here keeps the others', async () => {
    const { t, end } = holding();
    const first = t.told('a.example');
    await settle();
    t.resolver.forget({ name: encodeName('b.example') });
    await end();
    expect((await first).data).toEqual(['192.0.2.1']);
    expect((await t.told('a.example')).data).toEqual(['192.0.2.1']);
    expect(t.udp.asked).toHaveLength(1);
  });
});
