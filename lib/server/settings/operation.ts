// What those who run the server see of it.
import { z } from 'zod';
import { pathOption } from '../../base/options.js';
import { type Rows, section } from './row.js';
import { domainName, listenAddress } from './types.js';

export interface MetricsSettings {
  listen: string;
  hosts: string[];
  token?: string;
}

const metrics = section({
  listen: { schema: listenAddress, change: 'live', why: 'Where HTTP is served.' },
  hosts: {
    schema: z.array(domainName).max(64).default([]),
    change: 'live',
    why: "Names that requests may call it by beside numeric addresses, names without a dot (`shardns:9153` in a container's network) and `localhost`, which no web page can have; others are 403, with a line in the log.",
  },
  token: {
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{16,512}$/, 'expected 16 to 512 visible ASCII characters')
      .optional(),
    change: 'live',
    why: 'Expected as `Authorization: Bearer TOKEN` of those who ask for /metrics or /trace (`SHARDNS_TOKEN` for `shardns ctl`).',
  },
});

const log = section({
  level: {
    schema: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info'),
    change: 'live',
    why: 'The least of what is written.',
  },
});

export const operationRows = {
  metrics: {
    schema: z
      .union([listenAddress, metrics])
      .transform((value): MetricsSettings => {
        if (typeof value === 'string') return { listen: value, hosts: [] };
        return { ...value, hosts: value.hosts.map(host => host.toLowerCase().replace(/\.$/, '')) };
      })
      .optional(),
    change: 'live',
    why: 'An address for Prometheus, `/healthz` and `/trace`, or these; nothing is served without it.',
  },
  control: {
    schema: z.union([pathOption, z.literal(false)]).optional(),
    change: 'live',
    why: 'A unix socket for `shardns ctl`, of mode 0600. `shardns serve` without it has one at `$RUNTIME_DIRECTORY/control.sock`, as root `/run/shardns/control.sock`, else `$XDG_RUNTIME_DIR/shardns/control.sock`, unless another server has it; `false` means none.',
  },
  log: { schema: log.prefault({}), change: 'live', why: 'The log.' },
} as const satisfies Rows;
