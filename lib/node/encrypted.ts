// The ways to ask name servers that prove who they are: loaded when the first of them is asked.
export { HttpsTransport } from '../transport/https.js';
export { TlsTransport } from '../transport/tls.js';
