// Whom the server asks.
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api.js';
import { html } from '../html.js';
import { integer, percent } from '../text.js';

const EVERY_MS = 2000;

export function Upstreams({ onError }) {
  const [upstreams, setUpstreams] = useState();
  useEffect(() => {
    const read = () => get('/v1/upstreams').then(found => setUpstreams(found.upstreams), onError);
    void read();
    const timer = setInterval(read, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  if (upstreams === undefined) return html`<p role="status">Reading…</p>`;
  if (upstreams.length === 0)
    return html`<h1>Upstreams</h1>
      <p>None: names are resolved from the root, or not at all.</p>`;
  return html`
    <h1>Upstreams</h1>
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
