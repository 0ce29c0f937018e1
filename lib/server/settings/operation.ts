// What those who run the server see of it.
import { z } from 'zod';
import { parseSocketAddress } from '../../base/address.js';
import { scopeOf } from '../../base/address-scope.js';
import { count, pathOption } from '../../base/options.js';
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
    secret: true,
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{16,512}$/, 'expected 16 to 512 visible ASCII characters')
      .optional(),
    change: 'live',
    why: 'Expected as `Authorization: Bearer TOKEN` of those who ask for /metrics or /trace (`SHARDNS_TOKEN` for `shardns ctl`).',
  },
});

const api = section({
  listen: {
    schema: listenAddress,
    change: 'live',
    why: 'Where HTTP is served; beyond this machine (any address but 127.0.0.0/8 and ::1) only with a certificate.',
  },
  tokens: {
    schema: pathOption,
    change: 'live',
    why: 'A file of mode 0600 with a line for each token: what it may do (`read`, `flush` or `write`, each with those before it), its SHA-256, its name. `shardns token` draws one. Read again at SIGHUP.',
  },
  hosts: {
    schema: z.array(domainName).max(64).default([]),
    change: 'live',
    why: 'Names that browsers and programs may call it by, beside those that `metrics.hosts` tells of.',
  },
  certificate: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'A file with a certificate and those above it (PEM): HTTPS is served. Read again at SIGHUP.',
  },
  key: {
    schema: pathOption.optional(),
    change: 'live',
    why: 'A file with its private key (PEM), without a passphrase.',
  },
});

export type ApiSettings = z.output<typeof api>;

/** What forbids an API to be served so, which gives a server away to those on the way. */
export function openApiWithoutTls({
  api: wanted,
}: {
  api?: ApiSettings;
}): { path: string[]; message: string } | undefined {
  if (wanted === undefined) return undefined;
  const { certificate, key, listen } = wanted;
  if ((certificate === undefined) !== (key === undefined)) {
    return {
      path: ['api', certificate === undefined ? 'certificate' : 'key'],
      message: 'expected both a certificate and its key, or neither',
    };
  }
  if (certificate !== undefined || scopeOf(parseSocketAddress(listen, 'api.listen').address) === 'loopback')
    return undefined;
  return {
    path: ['api', 'listen'],
    message: 'expected api.certificate and api.key for an address beyond this machine',
  };
}

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
    why: 'An address for Prometheus, `/healthz`, `/readyz` and `/trace`, or these; nothing is served without it.',
  },
  control: {
    schema: z.union([pathOption, z.literal(false)]).optional(),
    change: 'live',
    why: 'A unix socket for `shardns ctl`, of mode 0600. `shardns serve` without it has one at `$RUNTIME_DIRECTORY/control.sock`, as root `/run/shardns/control.sock`, else `$XDG_RUNTIME_DIR/shardns/control.sock`, unless another server has it; `false` means none.',
  },
  api: {
    schema: api.optional(),
    change: 'live',
    why: 'The control API over HTTP, and the dashboard in a browser; the unix socket (`control`) serves the API without it.',
  },
  lameduckSeconds: {
    schema: count(0, 3600).default(0),
    change: 'live',
    why: 'How long it answers on as before once it is told to end (SIGTERM, `drain()`), while `/readyz` says 503: so long those need who lead clients to it, such as the Services of Kubernetes, until nobody comes any more. It drains then.',
  },
  log: { schema: log.prefault({}), change: 'live', why: 'The log.' },
} as const satisfies Rows;
