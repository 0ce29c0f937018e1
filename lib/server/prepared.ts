// A change of settings in two steps: all that can fail is done first, beside what is in force, so that a change that is
// refused has changed nothing.

export interface Prepared {
  /** Puts it in force. Cannot fail. */
  commit(): void;
  /** Lets go of what was made for it. */
  discard(): void;
}
