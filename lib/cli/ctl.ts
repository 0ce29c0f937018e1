// `shardns ctl`: asks a running server, at the address of its metrics, and shows what it says.
import { request } from 'node:http';
import { parseSocketAddress } from '../base/address.js';
import { ShardnsError, show } from '../base/errors.js';
import { flagsFromEnvironment } from './config.js';

export interface CtlFlags {
  server?: string;
  fresh?: boolean;
}

/** `shardns ctl trace NAME [TYPE]`: every step of a resolution as it happens. @returns the exit status */
export function ctlTrace(name: string, type: string, flags: CtlFlags): Promise<number> {
  const at = hostAndPort(flags.server ?? flagsFromEnvironment(process.env).metrics ?? DEFAULT_SERVER);
  const query = new URLSearchParams({ name, type, ...(flags.fresh ? { fresh: '1' } : {}) });
  // Not a flag: those are shown to everybody on the machine.
  const token = process.env.SHARDNS_TOKEN?.trim();
  return new Promise((resolve, reject) => {
    const asking = request(
      {
        host: at.host,
        port: at.port,
        path: `/trace?${query.toString()}`,
        timeout: 30_000,
        headers: token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` },
      },
      response => {
        response.pipe(response.statusCode === 200 ? process.stdout : process.stderr, { end: false });
        response.on('end', () => resolve(response.statusCode === 200 ? 0 : 1));
        response.on('error', reject);
      },
    );
    asking.on('timeout', () => asking.destroy(new Error('no answer for 30 s')));
    asking.on('error', cause =>
      reject(
        new ShardnsError(
          'ERR_SHARDNS_UPSTREAM',
          `${at.host}:${at.port}: ${causeText(cause)}; is the server there, with --metrics at this address?`,
          { cause },
        ),
      ),
    );
    asking.end();
  });
}

const DEFAULT_SERVER = '127.0.0.1:9153';

/** An address, or a name that the system knows, with a port. */
function hostAndPort(text: string): { host: string; port: number } {
  const [, host, port] = /^([a-z0-9._-]*[a-z][a-z0-9._-]*):(\d{1,5})$/i.exec(text) ?? [];
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
  try {
    const { address, port } = parseSocketAddress(text, '--server');
    return { host: address, port };
  } catch {
    throw new ShardnsError('ERR_SHARDNS_OPTION', `--server: expected HOST:PORT or [IPv6]:PORT, got ${show(text)}`);
  }
}

/** Of several addresses that all refused, what each said. */
function causeText(cause: Error): string {
  return cause instanceof AggregateError ? cause.errors.map(one => (one as Error).message).join(', ') : cause.message;
}
