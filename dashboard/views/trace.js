// What becomes of a question, step by step.
import { useRef, useState } from 'preact/hooks';
import { lines } from '../api.js';
import { html } from '../html.js';

/** `     1.3 ms    ask      192.0.2.1 ...`: the time, how deep, what. */
function stepOf(line) {
  const match = /^ *([\d.]+ ms) {2}( *)(\S+) +(.*)$/.exec(line);
  if (match === null) return { text: line };
  const [, at, indent, kind, text] = match;
  return { at, depth: indent.length / 2, kind, text };
}

export function Trace({ onError }) {
  const [steps, setSteps] = useState([]);
  const [busy, setBusy] = useState(false);
  const reading = useRef(null);
  async function ask(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const query = new URLSearchParams({ name: form.get('name').trim(), type: form.get('type').trim() || 'A' });
    if (form.get('fresh') !== null) query.set('fresh', '1');
    reading.current?.abort();
    const control = (reading.current = new AbortController());
    const found = [];
    setBusy(true);
    setSteps([]);
    try {
      for await (const line of lines(`/v1/trace?${query}`, control.signal)) {
        found.push(stepOf(line));
        setSteps([...found]);
      }
    } catch (error) {
      if (error.name !== 'AbortError') onError(error);
    }
    setBusy(false);
  }
  return html`
    <h1>Trace</h1>
    <form class="row" onSubmit=${ask}>
      <label
        >Name <input name="name" required placeholder="www.example.com" autocapitalize="none" spellcheck="false"
      /></label>
      <label>Type <input name="type" placeholder="A" size="6" /></label>
      <label class="check"><input type="checkbox" name="fresh" /> ask anew</label>
      <button>Trace</button>
    </form>
    <p role="status">${busy ? 'Asking…' : ''}</p>
    <ol class="trace">
      ${steps.map((one, i) =>
        one.kind === undefined
          ? html`<li key=${i}><code>${one.text}</code></li>`
          : html`<li key=${i} style=${`--depth: ${one.depth}`}>
              <span class="time">${one.at}</span> <strong>${one.kind}</strong> <code>${one.text}</code>
            </li>`,
      )}
    </ol>
  `;
}
