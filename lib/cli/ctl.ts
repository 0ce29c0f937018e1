// `shardns ctl`: asks a running server, at the address of its metrics, and shows what it says.
import { request } from 'node:http';
import { parseSocketAddress } from '../base/address.js';
import { ShardnsError } from '../base/errors.js';
import { flagsFromEnvironment } from './config.js';

export interface CtlFlags {
  server?: string;
  fresh?: boolean;
}

/** `shardns ctl trace NAME [TYPE]`: every step of a resolution as it happens. @returns the exit status */
export function ctlTrace(name: string, type: string, flags: CtlFlags): Promise<number> {
  const at = parseSocketAddress(
    flags.server ?? flagsFromEnvironment(process.env).metrics ?? DEFAULT_SERVER,
    '--server',
  );
  const query = new URLSearchParams({ name, type, ...(flags.fresh ? { fresh: '1' } : {}) });
  // Not a flag: those are shown to everybody on the machine.
  const token = process.env.SHARDNS_TOKEN?.trim();
  return new Promise((resolve, reject) => {
    const asking = request(
      {
        host: at.address,
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
          `${at.address}:${at.port}: ${cause.message}; is the server there, with --metrics at this address?`,
          { cause },
        ),
      ),
    );
    asking.end();
  });
}

const DEFAULT_SERVER = '127.0.0.1:9153';
