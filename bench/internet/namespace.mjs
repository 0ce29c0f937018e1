// A network of one's own to ask in.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Starts this program again where nothing of the network outside is reached, and no port or address is taken, whatever else runs. Where that is not
 * allowed, as in some containers, it runs where it is.
 */
export function inNamespaceOfItsOwn(script) {
  if (process.env.SHARDNS_NAMESPACE === 'own') {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    return;
  }
  if (spawnSync('unshare', ['-n', 'true']).status !== 0) return;
  const env = { ...process.env, SHARDNS_NAMESPACE: 'own' };
  const args = ['-n', process.execPath, fileURLToPath(script), ...process.argv.slice(2)];
  process.exit(spawnSync('unshare', args, { stdio: 'inherit', env }).status ?? 1);
}
