// Whom the server asks, and whom it shares answers with.
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api.js';
import { html } from '../html.js';
import { integer, percent } from '../text.js';

const EVERY_MS = 2000;

export function Upstreams({ onError }) {
  const [found, setFound] = useState();
  useEffect(() => {
    const read = () => get('/v1/upstreams').then(setFound, onError);
    void read();
    const timer = setInterval(read, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  if (found === undefined) return html`<p role="status">Reading…</p>`;
  const { upstreams, redis } = found;
  return html`
    <h1>Upstreams</h1>
    ${
      upstreams.length === 0
        ? html`<p>None: names are resolved from the root, or not at all.</p>`
        : html`<${Servers} upstreams=${upstreams} />`
    }
    ${redis.length > 0 && html`<${SecondLevel} redis=${redis} />`}
  `;
}

function Servers({ upstreams }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Upstreams">
      <table>
        <thead>
          <tr>
            <th>Server</th>
            <th>Round trip</th>
            <th>Queries</th>
            <th>Late</th>
            <th>Failed</th>
            <th>Under way</th>
            <th>State</th>
          </tr>
        </thead>
        <tbody>
          ${upstreams.map(
            one =>
              html`<tr key=${one.server}>
                <th scope="row">${one.server}</th>
                <td>${one.srttMs.toFixed(1)} ms</td>
                <td>${integer(one.queries)}</td>
                <td>${percent(one.timeouts, one.queries)}</td>
                <td>${percent(one.failures, one.queries)}</td>
                <td>${one.inFlight}</td>
                <td>${one.resting ? 'rests' : 'asked'}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** Each Redis of the second level: the own one first, then those of other regions. */
function SecondLevel({ redis }) {
  return html`
    <h2>Second level</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Second level">
      <table>
        <thead>
          <tr>
            <th>Redis</th>
            <th>Round trip</th>
            <th>Found</th>
            <th>Not there</th>
            <th>Failed</th>
            <th>Log</th>
            <th>State</th>
          </tr>
        </thead>
        <tbody>
          ${redis.map(
            one =>
              html`<tr key=${`${one.region} ${one.redis}`}>
                <th scope="row">${one.region === '' ? one.redis : `${one.region}, ${one.redis}`}</th>
                <td>${one.connected && one.roundTripMs !== undefined ? `${one.roundTripMs.toFixed(1)} ms` : '–'}</td>
                <td>${integer(one.reads.found)}</td>
                <td>${integer(one.reads.absent)}</td>
                <td>${integer(one.reads.failed)}</td>
                <td>
                  ${one.log.follows ? 'followed' : 'not followed'}${one.log.refused > 0 && `, ${integer(one.log.refused)} not believed`}
                </td>
                <td>
                  ${one.connected ? `connected, breaker ${one.breaker}` : 'not connected'}${one.error && `: ${one.error}`}
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}
