// Another server that is asked what clients ask, to compare it with this one.
import { z } from 'zod';
import { optionError } from '../../base/errors.js';
import { count } from '../../base/options.js';
import { parseUpstream } from '../../upstream/upstream-url.js';
import { type Rows, section } from './row.js';
import { parsed } from './types.js';

/** An upstream by its address: of a name nobody would look after. */
const serverUrl = parsed(text => {
  if (parseUpstream(text, '').at === undefined) throw optionError('', text, 'a server with a numeric address');
});

const mirror = section({
  to: {
    schema: serverUrl,
    change: 'live',
    why: 'Who is asked, as upstreams are written, by its address: `192.0.2.1`, `tls://192.0.2.1#dns.example`.',
  },
  share: {
    schema: z.number().gt(0).max(1).default(0.01),
    change: 'live',
    why: 'Of the questions that are answered, so many: 0.01 is one in a hundred.',
  },
  compare: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Whether answers are compared: rcodes, and the sets of records without TTLs, order and signatures. Without it only times are.',
  },
  maxUnderWay: {
    schema: count(1, 10_000).default(256),
    change: 'live',
    why: 'Questions at the other server at a time; those beyond are left out, and counted.',
  },
  timeoutMs: { schema: count(10, 60_000).default(2000), change: 'live', why: 'How long its answer is waited for.' },
});
export type MirrorSettings = z.output<typeof mirror>;

export const mirrorRows = {
  mirror: {
    schema: mirror.optional(),
    change: 'live',
    why: 'A share of what clients ask over UDP is sent to another server too, once it was answered, and what that says is compared. No client waits for it. Only with `udp: native`.',
  },
} as const satisfies Rows;
