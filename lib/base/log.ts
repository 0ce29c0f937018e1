// What the library needs of a logger, and the two things untrusted names need: escaping, and a bound on lines.
import type { Clock } from './clock.js';

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** The same logger, of which nothing that it throws reaches who logs. */
export function harmless(logger: Logger): Logger {
  const guard =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message);
      } catch {
        // There is nobody left to tell.
      }
    };
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') };
}

/**
 * Passes at most `perSecond` lines of each message a second; says afterwards how many it kept back.
 * Bound: 256 different messages, which are constants of ours.
 */
export function rateLimited(logger: Logger, clock: Clock, perSecond = 10): Logger {
  const windows = new Map<string, { second: number; count: number }>();
  const limit =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      const second = Math.floor(clock.nowMs() / 1000);
      let window = windows.get(message);
      if (window === undefined) {
        if (windows.size >= 256) windows.clear();
        window = { second, count: 0 };
        windows.set(message, window);
      }
      if (window.second !== second) {
        const suppressed = window.count - perSecond;
        if (suppressed > 0) logger[level]({ suppressed }, message);
        window.second = second;
        window.count = 0;
      }
      if (++window.count <= perSecond) logger[level](fields, message);
    };
  return { debug: limit('debug'), info: limit('info'), warn: limit('warn'), error: limit('error') };
}
