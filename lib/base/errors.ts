// The one error class of the package, and its codes.

export type ShardnsErrorCode =
  | 'ERR_SHARDNS_OPTION' // an option or configuration value is not what was expected
  | 'ERR_SHARDNS_CLOSED' // used after close()
  | 'ERR_SHARDNS_MEMORY' // the cache's memory could not be taken
  | 'ERR_SHARDNS_FILE' // a file that cannot be opened, read or written, or was cut or replaced under a cache
  | 'ERR_SHARDNS_LOADER' // a loader's failure that is remembered
  | 'ERR_SHARDNS_LISTEN' // an address could not be listened on
  | 'ERR_SHARDNS_NATIVE' // the native addon is missing or of another version
  | 'ERR_SHARDNS_TIMEOUT' // no answer within the time given
  | 'ERR_SHARDNS_UPSTREAM' // an upstream refused, failed or broke the connection
  | 'ERR_SHARDNS_OVERLOAD' // a bound was reached
  | 'ERR_SHARDNS_MESSAGE' // octets that are not the DNS message they should be
  | 'ERR_SHARDNS_ABORTED' // the caller's signal said so
  | 'ERR_SHARDNS_SERVICE_UNAVAILABLE' // no endpoint of a service is to be had now; it is tried again
  | 'ERR_SHARDNS_SERVICE_MISSING' // a service has no such name, or no such records
  | 'ERR_SHARDNS_SERVICE_REFUSED' // servers will not answer for a service
  | 'ERR_SHARDNS_SERVICE_NOT_OFFERED' // the zone says that a service is not there
  | 'ERR_SHARDNS_SERVICE_INSECURE' // what is said of a service is not proven
  | 'ERR_SHARDNS_INTERNAL'; // a mistake of ours

/** Every error that shardns throws. `code` is stable; `message` names the value and what to do. */
export class ShardnsError extends Error {
  override readonly name = 'ShardnsError';
  constructor(
    readonly code: ShardnsErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An option error that says which option, what it was, and what it should have been. */
export function optionError(option: string, value: unknown, expected: string): ShardnsError {
  return new ShardnsError('ERR_SHARDNS_OPTION', `${option}: expected ${expected}, got ${show(value)}`);
}

/**
 * Who is named in a URL, with a password: up to the last @ of the part before its path, and where what follows a colon is no
 * port, up to the last @ at all. A password that should have been escaped, and has a slash in it, is not shown either. URLs of a
 * Redis have no @ but that one: there a password may look like a port, too.
 */
const CREDENTIALS =
  /(?<=\brediss?):\/\/(?:(?!:\/\/)\S)*@|:\/\/(?:[^/?#@\s:]*:(?!\d{0,5}(?:[/?#\s"',\]]|$))(?:(?!:\/\/)\S)*|[^/?#\s]*)@/g;

/** Text whose URLs name no user and no password. */
export const withoutCredentials = (text: string): string => text.replace(CREDENTIALS, '://');

/** A value in a message: short, free of control characters, and URLs without a user and a password. */
export function show(value: unknown): string {
  const text = withoutCredentials(textOf(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/**
 * Never throws, whatever a value's own functions do. JSON has no word for NaN and Infinity, and shows nothing of an
 * ArrayBuffer, a map or a regular expression: these are what String() makes of them.
 */
function textOf(value: unknown): string {
  const json = (): string | undefined => {
    const text = typeof value === 'number' ? undefined : (JSON.stringify(value) as string | undefined);
    return text === '{}' && Object.prototype.toString.call(value) !== '[object Object]' ? undefined : text;
  };
  for (const write of [json, () => String(value)]) {
    try {
      const text = write();
      if (typeof text === 'string') return text;
    } catch {
      // A circle, a bigint, or functions of its own that throw.
    }
  }
  return typeof value === 'function' ? 'a function' : 'an object that cannot be shown';
}

/** What the system says when it has no file, socket or memory left, whatever is asked for; and what to do. */
const EXHAUSTED: ReadonlyMap<unknown, string> = new Map([
  ['EMFILE', 'this process may open no more files: raise its limit (`ulimit -n`, LimitNOFILE) to 1024 or more'],
  ['ENFILE', 'the machine has no file left to open: raise fs.file-max'],
  ['ENOBUFS', 'the kernel has no memory left for sockets'],
  ['ENOMEM', 'the machine has no memory left'],
]);
/** The same of one more query: no port either. */
const NO_ROOM = new Set<unknown>([...EXHAUSTED.keys(), 'EAGAIN', 'EADDRINUSE', 'EADDRNOTAVAIL']);

/** What is wanting, in one line with its code, where the system has no file, socket or memory left. */
export function exhaustionOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } | null };
  for (const one of [code, cause?.code]) {
    const what = EXHAUSTED.get(one);
    if (what !== undefined) return `${what} (${one as string})`;
  }
  return undefined;
}

/** Whether something failed for want of this machine's own room, and not because of those who were asked. */
export function isForWantOfRoom(error: unknown): boolean {
  return NO_ROOM.has(((error as Error | undefined)?.cause as { code?: unknown } | null | undefined)?.code);
}

/**
 * Whether a question failed for want of room or by a mistake here, and not because of those who were asked: such a
 * failure is told to those who wait and remembered against nobody (RFC 9520 section 2 is about failures of resolution).
 */
export function isOurs(error: unknown): boolean {
  if (!(error instanceof ShardnsError)) return true;
  if ((error as { ours?: unknown }).ours === true) return true;
  switch (error.code) {
    case 'ERR_SHARDNS_TIMEOUT':
      return false;
    case 'ERR_SHARDNS_UPSTREAM':
    case 'ERR_SHARDNS_MESSAGE':
      return isForWantOfRoom(error);
    default:
      return true;
  }
}
