// Why the native addon was not loaded, and what to do about it.

const BUILD = 'run "npx shardns build", which needs a C++20 compiler, make and Python';

/** Codes of what is thrown where there is no binary: in the package, and in or above a bundle. */
export const NO_BINARY = 'SHARDNS_NO_BINARY';
export const NOT_BESIDE_BUNDLE = 'SHARDNS_NOT_BESIDE_BUNDLE';
/** Of a Node without what this package uses: `import` of it fails nowhere else there. */
export const OLD_NODE = 'SHARDNS_OLD_NODE';

/** @param cause what finding and loading the binary threw */
export function loadErrorText(cause: unknown, libc: () => string = libcOfNode): string {
  const { code, message = String(cause) } = (cause ?? {}) as { code?: string; message?: string };
  const platform = `${process.platform}-${process.arch}`;
  switch (code) {
    case OLD_NODE:
      return `this is Node ${process.version}, and shardns needs Node 20.19, or 22.12 and later`;
    case NO_BINARY:
      return `no native addon for ${platform}: ${BUILD}`;
    case 'ERR_DLOPEN_DISABLED':
      return (
        'native addons are disabled in this process, and shardns needs its own: ' +
        'run Node without --no-addons, and under its permission model with --allow-addons'
      );
    case 'ERR_ACCESS_DENIED':
      return `the permission model forbids to read the package's files: allow it with --allow-fs-read (${message})`;
    case NOT_BESIDE_BUNDLE:
      return (
        `the native addon for ${platform} is not beside this code, which a bundler has moved: copy the folder ` +
        'node_modules/shardns/prebuilds beside the bundle, or mark "shardns" as external, so that it is loaded from ' +
        'node_modules (docs/bundlers.md of the package)'
      );
    default: {
      const musl = libc() === 'musl' ? ' (this Node uses musl; the binaries in the package are for glibc)' : '';
      return `the native addon for ${platform} cannot be loaded: ${message.split('\n', 1)[0]}${musl}: ${BUILD}`;
    }
  }
}

function libcOfNode(): string {
  if (process.platform !== 'linux') return '';
  // The report would look up the names of all connections.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}
