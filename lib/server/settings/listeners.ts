// Where the server answers, who may ask there, and what connections may hold.
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { type AddressPrefix, parsePrefix } from '../../base/address.js';
import { DEFAULT_CLIENT_SHARE, shareOf } from '../../base/client-shares.js';
import { count } from '../../base/options.js';
import { MAX_GATE_PREFIXES } from '../../clients/gate.js';
import type { ForwardedRules } from '../listeners/forwarded-for.js';
import { overlaps } from '../listeners/overlaps.js';
import type { TcpOptions } from '../listeners/tcp-connections.js';
import { type Rows, section } from './row.js';
import { listenEndpoint, prefix } from './types.js';

/** Where nobody says. */
export const DEFAULT_LISTEN: readonly string[] = ['127.0.0.1:5300', '[::1]:5300'];

const tcp = section({
  enabled: { schema: z.boolean().default(true), change: 'relisten', why: 'Answer over TCP too (RFC 7766).' },
  maxConnections: {
    schema: count(1, 100_000).default(1000),
    change: 'live',
    why: 'Connections in all; when all are taken, the one idle longest makes room, or one of the client that has most.',
  },
  maxConnectionsPerClient: {
    schema: count(1, 100_000).optional(),
    change: 'live',
    why: 'Of these, for one client (address, IPv6 /56): where it is set, that many in any case, as for a proxy that asks for many. By default an eighth, at least 8; more than 8 or a 256th only while as many are free.',
  },
  idleTimeoutMs: {
    schema: count(100, 3_600_000).default(10_000),
    change: 'live',
    why: 'How long a connection stays open without a query; RFC 7766 section 6.2.3 says a few seconds.',
  },
  messageTimeoutMs: {
    schema: count(100, 3_600_000).default(5000),
    change: 'live',
    why: 'How long a query may take from its first octet to its last.',
  },
  keepalive: {
    schema: z.boolean().default(true),
    change: 'live',
    why: 'Tell clients that ask how long an idle connection stays open (RFC 7828).',
  },
  maxPipelined: {
    schema: count(1, 65_535).default(128),
    change: 'live',
    why: 'Queries of one connection under way; the rest waits unread.',
  },
  maxQueuedBytes: {
    schema: count(65_537, 2 ** 30).default(2 ** 20),
    change: 'live',
    why: 'Octets of one connection: replies that the client has not read, beyond which it is closed, and as much again of queries under way.',
  },
  maxTotalBytes: {
    schema: count(2 ** 20, 2 ** 40).default(64 * 2 ** 20),
    change: 'live',
    why: 'What all connections hold together, in octets; beyond it the one that holds most is closed.',
  },
});

const proxyProtocol = section({
  from: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'relisten',
    why: 'Addresses and prefixes of proxies, such as dnsdist with `useProxyProtocol`. All that comes from there has the header, or is dropped; from elsewhere nothing has. Who may ask (`allow`), rates, views and all else go by the client that the header names.',
  },
});

const forwarded = section({
  from: {
    schema: z.array(prefix).max(4096).default([]),
    change: 'live',
    why: 'Addresses and prefixes of proxies that pass on requests over HTTPS, each of which adds who has asked it. Who may ask (`allow`), rates, views and all else go by the last address that is none of them; what stands before it is not believed.',
  },
  header: {
    schema: z.enum(['x-forwarded-for', 'forwarded']).default('x-forwarded-for'),
    change: 'live',
    why: 'Where they say it: `X-Forwarded-For`, or `Forwarded` (RFC 7239). The other one is not looked at: proxies pass on what clients put there.',
  },
});

export const listenerRows = {
  listen: {
    schema: z
      .array(listenEndpoint)
      .min(1)
      .max(64)
      .superRefine((listen, context) => {
        for (const { at, message } of overlaps(listen)) context.addIssue({ code: 'custom', message, path: [at] });
      })
      .default([...DEFAULT_LISTEN]),
    change: 'relisten',
    why: 'Addresses to answer on: `192.0.2.1:53` for UDP and TCP, `tls://192.0.2.1:853` for TLS (RFC 7858; port 853 may be left out), `https://192.0.2.1:443/dns-query` for HTTPS (RFC 8484; that port and that path may be left out), which need `tls`; port 0 means any. One of the defaults that the machine does not have is left out with a warning; one that is given is an error.',
  },
  udp: {
    schema: z.enum(['native', 'dgram']).default(process.platform === 'linux' ? 'native' : 'dgram'),
    change: 'relisten',
    why: "`native`: sockets and threads of our own; `dgram`: Node's sockets, for upstream queries too, where those cannot run: the same answers, and on `0.0.0.0` or `[::]` a socket for each address that an interface has, looked at every 5 s.",
  },
  threads: {
    schema: count(0, 256).default(0),
    change: 'relisten',
    why: 'Receiving threads for each address; 0 means one a core.',
  },
  pin: { schema: z.boolean().default(false), change: 'relisten', why: 'Bind each receiving thread to one core.' },
  allow: {
    schema: z.array(prefix).max(MAX_GATE_PREFIXES).default([]),
    change: 'live',
    why: 'Prefixes of clients that may ask, everybody where there are none; others get REFUSED before any lookup, on every way in. With those of `views` at most 1,048,576; 65,536 cost a query 25 ns and 1.1 MB (IPv6: at most 19 MB).',
  },
  udpSize: {
    schema: count(512, 4096).default(1232),
    change: 'live',
    why: 'Greatest UDP reply in octets (RFC 9715 section 3.1).',
  },
  receiveBufferBytes: {
    schema: count(4096, 2 ** 30).default(4 * 2 ** 20),
    change: 'relisten',
    why: 'Room in the kernel for queries that have come and are not read.',
  },
  proxyProtocol: {
    schema: proxyProtocol.prefault({}),
    change: 'live',
    why: "Whose queries proxies pass on, as they say by the PROXY protocol, version 2: over UDP, TCP, TLS (before it) and HTTPS. With it datagrams are taken by Node's sockets, as with `udp: dgram`.",
  },
  forwarded: {
    schema: forwarded.prefault({}),
    change: 'live',
    why: 'For whom proxies ask over HTTPS. Connections that are open stay as they were, but for proxies that are taken out, which are clients themselves at once.',
  },
  tcp: {
    schema: tcp.prefault({}),
    change: 'live',
    why: 'Queries over TCP; all but `enabled` holds for TLS and HTTPS too, whose connections are counted with them.',
  },
} as const satisfies Rows;

export function threadsOf({ threads }: { threads: number }): number {
  return threads === 0 ? availableParallelism() : threads;
}

/** Of one client, where few are allowed in all. */
const LEAST_CONNECTIONS = 8;

/** What TCP connections may have. */
export function tcpOptionsOf(settings: { tcp: z.output<typeof tcp> }): TcpOptions {
  const { maxConnections, maxConnectionsPerClient: wanted } = settings.tcp;
  const most = (usual: number): number => Math.min(wanted ?? Math.max(LEAST_CONNECTIONS, usual), maxConnections);
  return {
    ...settings.tcp,
    maxConnectionsPerClient: most(Math.ceil(maxConnections / 8)),
    connectionsPerClient: most(shareOf(maxConnections, DEFAULT_CLIENT_SHARE)),
  };
}

/** Whose requests over HTTPS say for whom they are. */
export function forwardedOf({
  forwarded: { from, header },
}: {
  forwarded: z.output<typeof forwarded>;
}): ForwardedRules {
  return { from: from.map((text, i) => parsePrefix(text, `forwarded.from[${i}]`)), header };
}

interface Receiving {
  udp: 'native' | 'dgram';
  proxyProtocol: z.output<typeof proxyProtocol>;
}

/** Whether datagrams are received natively: headers of proxies are read in JavaScript. */
export function usesPlane({ udp, proxyProtocol: { from } }: Receiving): boolean {
  return udp === 'native' && from.length === 0;
}

/** Whose datagrams and connections begin with a header that names the client. */
export function proxiesOf({ proxyProtocol: { from } }: Pick<Receiving, 'proxyProtocol'>): AddressPrefix[] {
  return from.map((text, i) => parsePrefix(text, `proxyProtocol.from[${i}]`));
}
