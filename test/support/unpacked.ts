import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * Where a program of a Debian package is: installed, or unpacked by the set-up, as for those that would take over the machine.
 * @param program its path in the package
 */
export function unpacked(name: string, program: string): string | undefined {
  return [`/${program}`, resolve(join('build/debian', name, program))].find(path => existsSync(path));
}
