// A call of the control API that is refused.
/** A call that cannot be done, as RFC 9457 has it told. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}
