// The zones that are served: which version, how old, until when; files read again, secondaries told, primaries asked.
import { useEffect, useState } from 'preact/hooks';
import { get, post } from '../api.js';
import { html } from '../html.js';
import { duration, integer } from '../text.js';
import { rowsOf } from '../zone-rows.js';

const EVERY_MS = 5000;
/** Rows that are shown: there may be a hundred thousand zones. */
const MOST = 200;

const time = seconds => (seconds === undefined ? '–' : duration(seconds));

export function Zones({ mayWrite, onError }) {
  const [found, setFound] = useState();
  const [wanted, setWanted] = useState('');
  const [told, setTold] = useState('');
  const read = () => get('/v1/zones').then(setFound, onError);
  useEffect(() => {
    void read();
    const timer = setInterval(read, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const doing = make => async () => {
    try {
      setTold(await make());
      await read();
    } catch (error) {
      onError(error);
    }
  };
  const reload = name =>
    doing(async () => {
      const { zones } = await post('/v1/zones/reload', { name });
      const [problem] = zones.flatMap(one => one.problem ?? one.doubt ?? []);
      return problem === undefined ? `${name}: read again` : `${name}: ${problem}`;
    });
  const notify = name =>
    doing(async () => `${name}: ${(await post('/v1/zones/notify', { name })).told} servers are told`);
  const refresh = (name, whole) =>
    doing(async () => {
      await post('/v1/zones/refresh', { name, whole });
      return `${name}: its primaries are asked${whole ? ' for all of it' : ''}`;
    });
  if (found === undefined) return html`<p role="status">Reading…</p>`;
  const all = rowsOf(found, Date.now() / 1000);
  if (all.length === 0)
    return html`<h1>Zones</h1>
      <p>None: no names are answered with authority.</p>`;
  const chosen = all.filter(one => one.name.includes(wanted.trim().toLowerCase()));
  const shown = chosen.slice(0, MOST);
  return html`
    <h1>Zones</h1>
    <p class="row">
      <label
        >Name
        <input
          value=${wanted}
          onInput=${event => setWanted(event.target.value)}
          placeholder="example.com"
          autocapitalize="none"
          spellcheck="false"
      /></label>
      <span
        >${integer(chosen.length)} of
        ${integer(all.length)}${shown.length < chosen.length ? `, the first ${MOST} are shown` : ''}</span
      >
    </p>
    <p role="status">${told}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Zones">
      <table>
        <thead>
          <tr>
            <th>Zone</th>
            <th>Serial</th>
            <th>Records</th>
            <th>Age</th>
            <th>Next refresh</th>
            <th>Expires</th>
            <th>State</th>
            <th>From</th>
            ${mayWrite && html`<th>Do</th>`}
          </tr>
        </thead>
        <tbody>
          ${shown.map(
            one =>
              html`<tr key=${`${one.name} ${one.from}`}>
                <th scope="row">${one.name}</th>
                <td>${one.serial ?? '–'}</td>
                <td>${one.records === undefined ? '–' : integer(one.records)}</td>
                <td>${time(one.age)}</td>
                <td>${time(one.refresh)}</td>
                <td>${time(one.expires)}</td>
                <td title=${one.problem}>${one.state}${one.problem === undefined ? '' : `: ${one.problem}`}</td>
                <td>${one.from}</td>
                ${
                  mayWrite &&
                  html`<td>
                    ${one.isFile && html`<button onClick=${reload(one.name)} aria-label=${`Reload ${one.name}`}>Reload</button>`}
                    ${one.isLinked && html`<button onClick=${notify(one.name)} aria-label=${`Notify of ${one.name}`}>Notify</button>`}
                    ${
                      one.isSecondary &&
                      html`<button onClick=${refresh(one.name, false)} aria-label=${`Refresh ${one.name}`}>
                          Refresh
                        </button>
                        <button onClick=${refresh(one.name, true)} aria-label=${`Retransfer ${one.name}`}>
                          Retransfer
                        </button>`
                    }
                  </td>`
                }
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}
