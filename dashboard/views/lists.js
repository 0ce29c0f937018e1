// Names that are blocked or allowed: why, an exception, a pause.
import { useState } from 'preact/hooks';
import { get, post } from '../api.js';
import { html } from '../html.js';
import { duration } from '../text.js';

function whyText({ name, pausedSeconds, rule }) {
  const paused = pausedSeconds > 0 ? `; paused for ${duration(pausedSeconds)} yet` : '';
  if (rule === null) return `${name}: no list has it${paused}`;
  const says = rule.action === 'pass' ? 'allowed' : `blocked (${rule.action})`;
  return `${name}: ${says} by list ${rule.list}, line ${rule.line}${paused}`;
}

export function Lists({ mayWrite, onError }) {
  const [name, setName] = useState('');
  const [told, setTold] = useState('');
  const doing = make => async event => {
    event.preventDefault();
    try {
      setTold(await make());
    } catch (error) {
      onError(error);
    }
  };
  const why = doing(async () => whyText(await get(`/v1/lists/why?${new URLSearchParams({ name: name.trim() })}`)));
  const say = says =>
    doing(async () => {
      await post('/v1/lists/override', { name: name.trim(), says });
      return `${name}: ${says === null ? 'as the lists say' : says === 'block' ? 'blocked' : 'allowed'}, until the server ends`;
    });
  const pause = minutes =>
    doing(async () => {
      const { pausedSeconds } = await post('/v1/lists/pause', { minutes });
      return pausedSeconds === 0 ? 'Blocking goes on.' : `Nothing is blocked for ${duration(pausedSeconds)}.`;
    });
  return html`
    <h1>Lists</h1>
    <form class="row" onSubmit=${why}>
      <label
        >Name
        <input
          value=${name}
          onInput=${event => setName(event.target.value)}
          required
          placeholder="ads.example.com"
          autocapitalize="none"
          spellcheck="false"
      /></label>
      <button>Why</button>
      ${
        mayWrite &&
        html`<button type="button" onClick=${say('block')}>Block</button>
          <button type="button" onClick=${say('allow')}>Allow</button>
          <button type="button" onClick=${say(null)}>As the lists say</button>`
      }
    </form>
    ${
      mayWrite &&
      html`<p class="row">
        ${[5, 30, 60].map(minutes => html`<button key=${minutes} onClick=${pause(minutes)}>Pause ${minutes} min</button>`)}
        <button onClick=${pause(0)}>Go on</button>
      </p>`
    }
    <p role="status">${told}</p>
  `;
}
