// What watchers of lookups see: tracing channels of node:diagnostics_channel, and OpenTelemetry's histogram where its
// API is installed (semantic conventions: dns.lookup.duration).
import diagnosticsChannel from 'node:diagnostics_channel';
import { ownRequire } from '../base/package-files.js';

/** Every lookup: `hostname`, `family`, then `result` or `error`. */
export const lookupChannel = diagnosticsChannel.tracingChannel('shardns.lookup');
/** Every question that the cache could not answer: `name`, `type`, then `error` if there is one. */
export const queryChannel = diagnosticsChannel.tracingChannel('shardns.query');

interface Histogram {
  record(seconds: number, attributes: Record<string, string>): void;
}
interface OpenTelemetry {
  metrics: {
    getMeter(name: string): {
      createHistogram(name: string, options: { unit: string; description: string }): Histogram;
    };
  };
}

let histogram: Histogram | null | undefined;
/** Where the API, which may be installed for others only, keeps what a program has registered with it. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/**
 * Null while nobody has registered a meter provider, and where OpenTelemetry's API is not installed. It is not loaded for
 * nobody: that takes ten times as long as all else of a program's first lookup.
 */
function durations(): Histogram | null {
  if (histogram !== undefined) return histogram;
  const registered = (globalThis as Record<symbol, { metrics?: object } | undefined>)[REGISTERED];
  if (registered?.metrics === undefined) return null;
  try {
    const { metrics } = ownRequire()('@opentelemetry/api') as OpenTelemetry;
    histogram = metrics.getMeter('shardns').createHistogram('dns.lookup.duration', {
      unit: 's',
      description: 'Measures the time taken to perform a DNS lookup.',
    });
  } catch {
    histogram = null;
  }
  return histogram;
}

/** Begins to time a lookup; undefined where nobody would hear of it. */
export function timeLookup(hostname: string): ((error?: { code?: string }) => void) | undefined {
  const target = durations();
  if (target === null) return undefined;
  const began = performance.now();
  return error => {
    const attributes: Record<string, string> = { 'dns.question.name': hostname };
    if (error !== undefined) attributes['error.type'] = error.code ?? 'Error';
    target.record((performance.now() - began) / 1000, attributes);
  };
}
