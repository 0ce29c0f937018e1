// Where DNS is served over HTTPS when a URL does not say: of a file of its own, for those who only read URLs.

export const HTTPS_PORT = 443;
/** What the examples of RFC 8484 have, and nearly all servers. */
export const DEFAULT_PATH = '/dns-query';
