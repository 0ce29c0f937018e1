// Calls of the control API, under the cookie of the session.

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(method, path, { body, headers = {} } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: method === 'GET' ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, 'The server cannot be reached.');
  }
  if (response.ok) return response;
  let detail = `${response.status} ${response.statusText}`;
  try {
    ({ detail } = await response.json());
  } catch {
    // Not of ours, such as a proxy's.
  }
  throw new Problem(response.status, detail);
}

const json = async response => (await response).json();

export const get = path => json(ask('GET', path));
export const post = (path, body = {}) => json(ask('POST', path, { body }));
export const remove = path => ask('DELETE', path, { body: {} });

/** The options, and the tag of their state. */
export async function readConfig() {
  const response = await ask('GET', '/v1/config');
  return { config: await response.json(), etag: response.headers.get('etag') };
}
export const patchConfig = (body, etag) => json(ask('PATCH', '/v1/config', { body, headers: { 'if-match': etag } }));

/** Lines of a stream, as they come. `stop` of the signal ends it. */
export async function* lines(path, signal) {
  const response = await fetch(path, { credentials: 'same-origin', signal });
  if (!response.ok) throw new Problem(response.status, (await response.json()).detail);
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    yield* parts;
  }
  if (rest !== '') yield rest;
}

/** A session for a token that stands behind # in the address, or was typed in. The address never keeps it. */
export async function begin(token) {
  const response = await fetch('/v1/session', {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  });
  const body = await response.json();
  if (!response.ok) throw new Problem(response.status, body.detail);
  return body;
}
