// Where the control socket of `shardns serve` is when nobody says: in the folder that the system keeps for what runs.
import { join } from 'node:path';

/**
 * `$RUNTIME_DIRECTORY` (systemd), `/run/shardns` of root, `$XDG_RUNTIME_DIR/shardns`; undefined where there is none of them.
 * @param uid of the process
 */
export function defaultControlPath(environment: NodeJS.ProcessEnv, uid: number | undefined): string | undefined {
  const named = environment.RUNTIME_DIRECTORY?.split(':')[0];
  if (named !== undefined && named !== '') return join(named, 'control.sock');
  if (uid === 0) return '/run/shardns/control.sock';
  const own = environment.XDG_RUNTIME_DIR;
  return own === undefined || own === '' ? undefined : join(own, 'shardns', 'control.sock');
}
