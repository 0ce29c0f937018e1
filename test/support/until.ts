/** Longer than anything takes on a machine that is busy with other things, and shorter than a test may. */
const LIMIT_MS = 120_000;

/** Ends once `check` is true; what it throws counts as not yet. `what` says what did not come, for the error. */
export async function until(check: () => unknown, what: string | (() => string) = 'it'): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  for (let waitMs = 1; ; waitMs = Math.min(50, waitMs * 2)) {
    try {
      if (await check()) return;
    } catch {
      // Not yet.
    }
    if (performance.now() > end) {
      throw new Error(`not in ${LIMIT_MS / 1000} s: ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise(resolve => setTimeout(resolve, waitMs));
  }
}
