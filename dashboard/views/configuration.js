// The options in force, and a change of them: checked first, then applied as a whole or not at all.
import { useEffect, useState } from 'preact/hooks';
import { patchConfig, post, readConfig } from '../api.js';
import { html } from '../html.js';

export function Configuration({ mayWrite, onError }) {
  const [state, setState] = useState();
  const [patch, setPatch] = useState('{\n  "cache": { "maxTtlSeconds": 3600 }\n}');
  const [told, setTold] = useState([]);
  const read = () => readConfig().then(setState, onError);
  useEffect(() => void read(), []);
  const parsed = () => {
    try {
      return JSON.parse(patch);
    } catch (error) {
      setTold([`This is not JSON: ${error.message}`]);
      return undefined;
    }
  };
  async function check() {
    const body = parsed();
    if (body === undefined) return false;
    try {
      const { valid, issues } = await post('/v1/config/check', body);
      setTold(valid ? ['This may be applied.'] : issues);
      return valid;
    } catch (error) {
      onError(error);
      return false;
    }
  }
  async function apply() {
    if (!(await check())) return;
    try {
      await patchConfig(parsed(), state.etag);
      setTold(['Applied, until the server ends or reads its file again.']);
      await read();
    } catch (error) {
      if (error.status === 412) await read();
      setTold([error.message]);
    }
  }
  return html`
    <h1>Configuration</h1>
    ${
      mayWrite &&
      html`<section>
        <label class="block"
          >A change (JSON merge patch; null takes an option away)
          <textarea
            rows="6"
            spellcheck="false"
            value=${patch}
            onInput=${event => setPatch(event.target.value)}
          ></textarea>
        </label>
        <p class="row"><button onClick=${check}>Check</button><button onClick=${apply}>Apply</button></p>
        <div role="status">
          <ul>
            ${told.map(one => html`<li key=${one}>${one}</li>`)}
          </ul>
        </div>
      </section>`
    }
    <h2>In force</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Options in force">
      <pre>${state === undefined ? 'Reading…' : JSON.stringify(state.config, null, 2)}</pre>
    </div>
  `;
}
