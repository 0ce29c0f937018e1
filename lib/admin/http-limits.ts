// How long a request may take to come, for each listener that looks at the server or changes it.

/** Node looks every 30 s by default, and not when these times are over: whoever sends nothing would have that long. */
export const HTTP_LIMITS = { requestTimeout: 10_000, headersTimeout: 5000, connectionsCheckingInterval: 1000 } as const;
