// What has been asked of one server for one question: for who chooses the next server, and for who asks it.
import type { Upstream } from '../../upstream/upstream.js';

export interface Tries {
  readonly server: Upstream;
  times: number;
  /** It answered, without being of use. */
  useless: boolean;
  /** What it said when its time was over. */
  late: Uint8Array | undefined;
  /** The key of the question that it is being asked, and since when. */
  asking: string | undefined;
  began: number;
}

export const triesOf = (server: Upstream): Tries => ({
  server,
  times: 0,
  useless: false,
  late: undefined,
  asking: undefined,
  began: 0,
});

export function triesAt(tries: readonly Tries[], server: Upstream): Tries | undefined {
  for (const one of tries) if (one.server === server) return one;
  return undefined;
}
