// What the cache holds: one name, or a subtree; and forgetting it.
import { useRef, useState } from 'preact/hooks';
import { get, lines, post } from '../api.js';
import { html } from '../html.js';
import { duration, octets } from '../text.js';

const MOST = 200;

export function Cache({ mayFlush, onError }) {
  const [found, setFound] = useState();
  const [told, setTold] = useState('');
  const [more, setMore] = useState(false);
  const reading = useRef(null);

  async function search(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const query = new URLSearchParams();
    for (const key of ['suffix', 'type']) if (form.get(key).trim() !== '') query.set(key, form.get(key).trim());
    reading.current?.abort();
    const control = (reading.current = new AbortController());
    const rows = [];
    setTold('');
    try {
      let cut = false;
      for await (const line of lines(`/v1/cache?${query}`, control.signal)) {
        if (rows.length === MOST) {
          cut = true;
          control.abort();
          break;
        }
        rows.push(JSON.parse(line));
      }
      setMore(cut);
      setFound(rows);
    } catch (error) {
      if (error.name !== 'AbortError') onError(error);
    }
  }
  async function forget(what) {
    try {
      await post('/v1/cache/invalidate', what);
      setTold(`Forgotten: ${Object.values(what)[0]}`);
      setFound(rows => rows?.filter(one => one.name !== what.name));
    } catch (error) {
      onError(error);
    }
  }
  return html`
    <h1>Cache</h1>
    <form class="row" onSubmit=${search}>
      <label
        >At and below <input name="suffix" placeholder="example.com" autocapitalize="none" spellcheck="false"
      /></label>
      <label>Type <input name="type" placeholder="any" size="6" autocapitalize="characters" /></label>
      <button>Show</button>
    </form>
    <p role="status">${told}</p>
    ${
      found !== undefined &&
      html`<p>
          ${found.length === 0 ? 'Nothing is kept there.' : `${found.length} entries${more ? ', and more' : ''}`}
        </p>
        <div class="scroll" tabindex="0" role="region" aria-label="Entries">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Type</th>
                <th>Kind</th>
                <th>Left</th>
                <th>Size</th>
                <th>Asked</th>
                ${mayFlush && html`<th>Forget</th>`}
              </tr>
            </thead>
            <tbody>
              ${found.map(one => html`<${Entry} key=${`${one.name} ${one.type} ${one.dnssecOk} ${one.checkingDisabled} ${one.tenant}`} one=${one} mayFlush=${mayFlush} forget=${forget} onError=${onError} />`)}
            </tbody>
          </table>
        </div>`
    }
  `;
}

function Entry({ one, mayFlush, forget, onError }) {
  const [records, setRecords] = useState();
  const open = async () => {
    try {
      const query = new URLSearchParams({ name: one.name, type: one.type, tenant: String(one.tenant) });
      const { entries } = await get(`/v1/cache/entry?${query}`);
      setRecords(entries.flatMap(entry => [...entry.answers, ...entry.authorities]));
    } catch (error) {
      onError(error);
    }
  };
  const kind = one.failure ? 'failure' : one.negative ? 'denial' : 'answer';
  const forms = [one.dnssecOk && 'DO', one.checkingDisabled && 'CD'].filter(Boolean).join(' ');
  return html`
    <tr>
      <th scope="row"><button class="link" onClick=${open}>${one.name}</button></th>
      <td>${one.type} ${forms}</td>
      <td>${kind}</td>
      <td>${one.remainingSeconds < 0 ? 'expired' : duration(one.remainingSeconds)}</td>
      <td>${octets(one.length)}</td>
      <td>${one.popularity}</td>
      ${
        mayFlush &&
        html`<td>
          <button onClick=${() => forget({ name: one.name })}>Forget<span class="hidden"> ${one.name}</span></button>
        </td>`
      }
    </tr>
    ${
      records !== undefined &&
      html`<tr>
        <td colspan="7"><pre>${records.join('\n') || 'It has expired.'}</pre></td>
      </tr>`
    }
  `;
}
