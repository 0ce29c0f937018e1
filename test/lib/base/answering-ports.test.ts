import { expect, test } from 'vitest';
import { ANSWERING_PORTS, answersByItself } from '../../../lib/base/answering-ports.js';
import { binding } from '../../../lib/native/binding.js';

test('the native listeners drop what the others do', () => {
  expect(binding().answeringPorts).toEqual(ANSWERING_PORTS);
});

test('ports of services that answer whatever they are sent; not 53, from which forwarders ask', () => {
  expect([0, 7, 13, 17, 19, 37, 464].every(answersByItself)).toBe(true);
  expect([1, 53, 1024, 19 + 512, 65_535].some(answersByItself)).toBe(false);
});
