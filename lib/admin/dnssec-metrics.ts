// Metrics of validation: verdicts, trust anchors, and whether upstreams pass on what proves answers.
import { by, counter, type Family, gauge } from './metric-family.js';

export const DNSSEC_FAMILIES: readonly Family[] = [
  counter(
    'shardns_dnssec_validated_total',
    'Parts of answers that were validated, by what that came to',
    ({ recursion: it }) => {
      if (it === undefined) return [];
      const { secure, insecure, indeterminate, bogus } = it;
      return by('status', { secure, insecure, indeterminate, bogus });
    },
    ['status'],
  ),
  counter(
    'shardns_dnssec_synthesised_total',
    'Answers that followed from what was validated before',
    r => r.recursion?.synthesised,
  ),
  gauge(
    'shardns_dnssec_anchors',
    'Trust anchors by state (RFC 5011); configured: not seen yet, fixed: they follow nothing',
    ({ anchors }) => {
      if (!anchors.validates) return [];
      const counts = { addPend: 0, valid: 0, missing: 0, revoked: 0, configured: 0, fixed: 0 };
      for (const zone of anchors.zones) for (const it of zone.anchors) counts[it.state]++;
      return by('state', counts);
    },
    ['state'],
  ),
  gauge(
    'shardns_dnssec_anchor_success_timestamp_seconds',
    "Unix time of the last look at the keys of a trust anchor's zone that an anchor had signed; 0 = none",
    ({ anchors }) =>
      anchors.zones.flatMap(({ zone, lastSuccessSeconds: it }) => (it === undefined ? [] : [[{ zone }, it] as const])),
    ['zone'],
  ),
  counter(
    'shardns_dnssec_anchor_probes_total',
    "Looks at the keys of trust anchors' zones, by outcome",
    ({ anchors: { file, probes, failures } }) =>
      file === undefined ? [] : by('outcome', { succeeded: probes - failures, failed: failures }),
    ['outcome'],
  ),
  gauge(
    'shardns_upstream_dnssec',
    'Whether a server that is forwarded to passes signatures on: 1; 0: it leaves them out, and is passed over for what is validated, or has no answers about them',
    r =>
      r.forwardedTo.flatMap(({ server, zone, signatures }) =>
        signatures === 'unknown' ? [] : [[{ server, zone }, signatures === 'passed on' ? 1 : 0] as const],
      ),
    ['server', 'zone'],
  ),
  gauge(
    'shardns_dnssec_clock_doubted',
    "1: by this machine's clock the signatures of a trust anchor's keys are not valid yet, or no more",
    ({ anchors, clockDoubt }) => (anchors.validates ? Number(clockDoubt !== undefined) : undefined),
  ),
];
