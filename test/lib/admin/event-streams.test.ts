// Streams of events on a fake clock: how long they last.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { EventStreams } from '../../../lib/admin/api/event-streams.js';
import { Callers, hashOf } from '../../../lib/admin/tokens.js';
import type { History } from '../../../lib/admin/history.js';
import { systemRandom } from '../../../lib/base/random.js';
import { FakeClock } from '../../support/fake-clock.js';

const noHistory = { onSample: () => () => {} } as unknown as History;
const request = { method: 'GET' } as IncomingMessage;

function response(): { octets: PassThrough; response: ServerResponse } {
  const octets = new PassThrough();
  const response = Object.assign(octets, { writeHead: () => octets }) as unknown as ServerResponse;
  return { octets, response };
}

test('a stream ends with the session that opened it, after twelve hours, and others go on', async () => {
  const clock = new FakeClock();
  const token = { scope: 'read', hash: hashOf('t'), name: 't' } as const;
  const callers = new Callers(clock, systemRandom, [token]);
  const secret = callers.begin(token);
  const streams = new EventStreams(noHistory, clock);
  const [one, other] = [response(), response()];
  const stands = () => callers.bySession(secret) !== undefined;
  streams.open({ request, response: one.response, caller: { scope: 'read', name: 'session t', stands } });
  streams.open({ request, response: other.response, caller: { scope: 'write', name: 'socket', stands: () => true } });
  streams.send('stats', 1);
  await clock.advance(12 * 3_600_000 - 1);
  streams.send('stats', 2);
  expect(streams.size).toBe(2);
  await clock.advance(1);
  streams.send('stats', 3);
  expect([streams.size, one.octets.writableEnded, other.octets.writableEnded]).toEqual([1, true, false]);
  expect(String(one.octets.read())).not.toContain('data: 3');
  expect(String(other.octets.read())).toContain('data: 3');
});
