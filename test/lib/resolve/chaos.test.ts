// What a server tells of itself in class CH.
import { expect, test } from 'vitest';
import { answerChaos } from '../../../lib/resolve/steps/chaos.js';
import { Class } from '../../../lib/wire/iana.js';
import { decodeMessage } from '../../../lib/wire/message.js';
import { Query } from '../../../lib/wire/query.js';
import { decodeRdata } from '../../../lib/wire/rdata.js';
import { makeQuery } from '../../support/messages.js';

function told(name: string, type: string, dnsClass: number = Class.CH): string | undefined {
  const octets = makeQuery(name, { type });
  octets[octets.length - 1] = dnsClass;
  const message = answerChaos(new Query(octets), { identity: 'box-7', version: '1.2' });
  if (message === undefined) return undefined;
  const [answer] = decodeMessage(message).answers;
  expect([answer.dnsClass, answer.ttl]).toEqual([Class.CH, 0]);
  return decodeRdata(answer.type, answer.data);
}

test.each([
  ['version.bind', '"1.2"'],
  ['VERSION.server', '"1.2"'],
  ['id.server', '"box-7"'],
  ['hostname.bind', '"box-7"'],
])('%s is %s', (name, text) => {
  expect(told(name, 'TXT')).toBe(text);
});

test('other names, types and classes are told nothing, nor is what was not given', () => {
  expect(told('version.example', 'TXT')).toBeUndefined();
  expect(told('version.bind', 'A')).toBeUndefined();
  expect(told('version.bind', 'TXT', Class.IN)).toBeUndefined();
  const query = makeQuery('version.bind', { type: 'TXT' });
  query[query.length - 1] = Class.CH;
  expect(answerChaos(new Query(query), {})).toBeUndefined();
});
