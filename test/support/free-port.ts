// Ports for programs that are told theirs before they start.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that the kernel hands out by itself (from 32768 on), of which any other test may be given one meanwhile; so is
 * the bus port of a Redis Cluster, 10,000 above.
 */
const FIRST = 10_000;
const END = 22_000;
const given = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket('udp4');
  try {
    await once(tcp.listen(port, '127.0.0.1'), 'listening');
    udp.bind(port, '127.0.0.1');
    await once(udp, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await new Promise<void>(resolve => tcp.close(() => resolve()));
    udp.close();
  }
}

/** A port of 127.0.0.1 that is free now, for UDP and for TCP; never the same twice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}
