// Who asked what: the query log with its filters, and top lists. Names are shown by the text of nodes alone.
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api.js';
import { html } from '../html.js';
import { integer } from '../text.js';

const FIELDS = [
  ['name', 'At and below', 'example.com'],
  ['client', 'Client', 'address'],
  ['type', 'Type', 'any'],
  ['rcode', 'Rcode', 'any'],
  ['slower', 'Slower than, ms', '0'],
];
const WHAT = { miss: 'Misses', hit: 'Hits', nxdomain: 'NXDOMAIN', slow: 'Slow' };
const BY = { name: 'name', client: 'client', type: 'type', upstream: 'upstream' };

export function Queries({ onError }) {
  return html`
    <h1>Queries</h1>
    <${Log} onError=${onError} />
    <${Top} onError=${onError} />
  `;
}

/** What is switched off is said where it would be shown. */
const offOr = (problem, setOff, onError) => (problem.status === 409 ? setOff(problem.message) : onError(problem));

function Log({ onError }) {
  const [query, setQuery] = useState('');
  const [found, setFound] = useState();
  const [off, setOff] = useState('');
  const read = async (wanted, before) => {
    try {
      const next = await get(`/v1/querylog?limit=100${wanted}${before === undefined ? '' : `&before=${before}`}`);
      setOff('');
      setFound(old => (before === undefined ? next : { ...next, entries: [...old.entries, ...next.entries] }));
    } catch (problem) {
      offOr(problem, setOff, onError);
    }
  };
  useEffect(() => void read(''), []);
  const search = event => {
    event.preventDefault();
    const form = new FormData(event.target);
    const given = new URLSearchParams();
    for (const [key] of FIELDS) if (form.get(key).trim() !== '') given.set(key, form.get(key).trim());
    if (form.get('uncached') !== null) given.set('uncached', '1');
    const wanted = given.size === 0 ? '' : `&${given}`;
    setQuery(wanted);
    void read(wanted);
  };
  if (off !== '') return html`<p role="status">${off}</p>`;
  return html`
    <form class="row" onSubmit=${search}>
      ${FIELDS.map(([key, label, hint]) => html`<label key=${key}>${label} <input name=${key} placeholder=${hint} size="12" autocapitalize="none" spellcheck="false" /></label>`)}
      <label><input name="uncached" type="checkbox" /> not from the cache</label>
      <button>Show</button>
    </form>
    ${
      found !== undefined &&
      html`<p role="status">
          ${found.entries.length === 0 ? 'No such query is in the log.' : `${found.entries.length} queries, newest first`}
        </p>
        <div class="scroll" tabindex="0" role="region" aria-label="Queries">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Type</th>
                <th>Rcode</th>
                <th>Answered by</th>
                <th>Took</th>
                <th>Client</th>
                <th>Time</th>
              </tr>
            </thead>
            <tbody>
              ${found.entries.map(
                one =>
                  html`<tr key=${one.seq}>
                    <th scope="row">${one.name}</th>
                    <td>${one.type}</td>
                    <td>${one.rcode}</td>
                    <td>${one.by} ${one.upstream ?? ''}${one.oneIn === undefined ? '' : ` (1 in ${one.oneIn})`}</td>
                    <td>${one.ms} ms</td>
                    <td>${one.client ?? '–'} ${one.protocol}</td>
                    <td>${new Date(one.at).toLocaleTimeString()}</td>
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>
        ${found.before !== undefined && html`<button onClick=${() => read(query, found.before)}>More</button>`}`
    }
  `;
}

function Top({ onError }) {
  const [what, setWhat] = useState('miss');
  const [by, setBy] = useState('name');
  const [list, setList] = useState();
  const [off, setOff] = useState('');
  useEffect(() => {
    const read = () =>
      get(`/v1/top?what=${what}&by=${by}`).then(
        found => {
          setOff('');
          setList(found);
        },
        problem => offOr(problem, setOff, onError),
      );
    void read();
    const timer = setInterval(read, 10_000);
    return () => clearInterval(timer);
  }, [what, by]);
  const choice = (names, chosen, set, label) =>
    html`<p class="row" role="group" aria-label=${label}>
      ${Object.entries(names).map(([key, name]) => html`<button key=${key} aria-pressed=${key === chosen} onClick=${() => set(key)}>${name}</button>`)}
    </p>`;
  return html`
    <h2>Top of the last minute</h2>
    ${
      off === ''
        ? html`${choice(WHAT, what, setWhat, 'What is counted')} ${choice(BY, by, setBy, 'By what')}
            <div class="scroll" tabindex="0" role="region" aria-label="Top list">
              <table>
                <thead>
                  <tr>
                    <th>${by}</th>
                    <th>Queries</th>
                  </tr>
                </thead>
                <tbody>
                  ${(list?.entries ?? []).map(
                    one =>
                      html`<tr key=${one.key}>
                        <th scope="row">${one.key}</th>
                        <td>${integer(one.count)}</td>
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>`
        : html`<p role="status">${off}</p>`
    }
  `;
}
