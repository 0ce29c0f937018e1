// One question to a forwarder's upstreams, one after the other, so that each that is asked and what it says is seen. What is
// learnt of them counts, as from any question.
//
// Bounds: every upstream of the default group as often as three times (RFC 9520 section 3.1), within `upstream.deadlineMs`.
import { Canceller } from '../base/cancel.js';
import { ShardnsError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import { isAnswer } from '../resolve/forwarding.js';
import { messageWithoutPrivate } from '../resolve/recurse/address-rules.js';
import { ResolutionError } from '../resolve/recurse/job.js';
import type { TraceEvent } from '../resolve/recurse/trace.js';
import { buildUpstreamQuery } from '../resolve/upstream-query.js';
import type { Server } from '../server/server.js';
import { select } from '../upstream/selection.js';
import { NOT_FOUND_YET, type Upstream } from '../upstream/upstream.js';
import { ExtendedError, HEADER_SIZE, rcodeName, typeName } from '../wire/iana.js';
import { responseRcode } from '../wire/opt.js';
import type { Query } from '../wire/query.js';

/** What other instances have shared is shown, and not taken: a trace asks those who say it. */
export async function lookInFleet(server: Server, query: Query, step: Step): Promise<void> {
  const { level } = server.resolver;
  if (level === undefined) return;
  const began = performance.now();
  const text = await new Promise<string>(resolve => {
    const asked = level.read(query, {
      found: ({ remainingSeconds, ageSeconds }) => {
        const left = remainingSeconds > 0 ? `${Math.round(remainingSeconds)} s left` : 'expired';
        resolve(`another instance has it: ${left}, ${Math.round(ageSeconds)} s old`);
      },
      absent: () => resolve('no other instance has it, or Redis has not answered'),
      farther: () => step({ kind: 'fleet', text: 'not in this region: another one is asked' }),
    });
    if (!asked) resolve('Redis is not asked: it is not connected, or has failed lately');
  });
  step({ kind: 'fleet', text: `${text} (${(performance.now() - began).toFixed(1)} ms)` });
}

/** Writes one step. */
export type Step = (event: Pick<TraceEvent, 'kind' | 'text'> & { depth?: number }) => void;

const ROUNDS = 3;

/** @throws {ResolutionError} */
export async function askUpstreams(server: Server, query: Query, step: Step): Promise<Uint8Array> {
  const { exchanger, resolver } = server;
  const { options, groups } = resolver;
  const group = groups.get('default') ?? [];
  if (group === NOT_FOUND_YET) throw new ResolutionError('no upstream has an address yet', ExtendedError.notReady);
  if (group.length === 0) throw new ResolutionError('no upstream is configured', ExtendedError.other);
  const octets = buildUpstreamQuery(query, options);
  const what = `${query.nameText} ${typeName(query.type)}`;
  const until = exchanger.now + exchanger.options.deadlineMs;
  for (let round = 0; round < ROUNDS; round++) {
    const tried = new Set<Upstream>();
    for (let i = 0; i < group.length; i++) {
      const upstream = select(group, tried, exchanger.options, systemRandom);
      const leftMs = until - exchanger.now;
      if (upstream === undefined || tried.has(upstream) || leftMs <= 0) break;
      tried.add(upstream);
      const response = await askOne(server, octets, upstream, Math.min(upstream.tryTimeoutMs, leftMs), (said, ms) =>
        step({ kind: 'ask', text: `${what} of ${upstream.label}, ${ms.toFixed(1)} ms: ${said}` }),
      );
      if (response === undefined) continue;
      const shown =
        options.addressRules === undefined ? response : messageWithoutPrivate(response, options.addressRules);
      if (shown !== undefined) return shown;
    }
  }
  throw new ResolutionError('no upstream has an answer', ExtendedError.noReachableAuthority);
}

/** @returns undefined where it has no answer. */
async function askOne(
  { exchanger }: Server,
  octets: Uint8Array,
  upstream: Upstream,
  timeoutMs: number,
  tell: (said: string, ms: number) => void,
): Promise<Uint8Array | undefined> {
  const began = exchanger.now;
  upstream.inFlight++;
  try {
    const response = await exchanger.ask(octets, upstream, { timeoutMs, cancel: new Canceller() });
    const ms = exchanger.now - began;
    const rcode = responseRcode(response);
    const records = response.length < HEADER_SIZE ? 0 : (response[6] << 8) | response[7];
    tell(`${rcodeName(rcode)}, ${records} ${records === 1 ? 'record' : 'records'}`, ms);
    if (isAnswer(rcode)) {
      upstream.succeeded(ms);
      return response;
    }
    upstream.failed('failure');
  } catch (error) {
    if (!(error instanceof ShardnsError)) throw error;
    upstream.lost(error);
    tell(error.message, exchanger.now - began);
  } finally {
    upstream.release();
  }
  return undefined;
}
