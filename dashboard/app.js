// The dashboard: a session, the live history, and a view by the address behind #.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { begin, get, remove } from './api.js';
import { html } from './html.js';
import { Cache } from './views/cache.js';
import { Configuration } from './views/configuration.js';
import { Lists } from './views/lists.js';
import { Overview } from './views/overview.js';
import { Queries } from './views/queries.js';
import { Trace } from './views/trace.js';
import { Upstreams } from './views/upstreams.js';
import { Zones } from './views/zones.js';

const VIEWS = {
  overview: ['Overview', Overview],
  upstreams: ['Upstreams', Upstreams],
  queries: ['Queries', Queries],
  cache: ['Cache', Cache],
  trace: ['Trace', Trace],
  lists: ['Lists', Lists],
  zones: ['Zones', Zones],
  configuration: ['Configuration', Configuration],
};
const SPANS = { '15 min': [900, 1], '6 h': [21_600, 10], '8 d': [691_200, 300] };
const MAY = { read: ['read'], flush: ['read', 'flush'], write: ['read', 'flush', 'write'] };

const viewOf = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : 'overview');

function rowsToSamples({ fields, rows }) {
  return rows.map(row => Object.fromEntries(fields.map((name, i) => [name, row[i]])));
}

/** What came in the last while: at once from the server's memory, then each second. */
function useHistory(session, span, onError) {
  const [history, setHistory] = useState({ samples: [], stepSeconds: 1 });
  const [live, setLive] = useState(true);
  useEffect(() => {
    if (session === undefined) return undefined;
    const [seconds, step] = SPANS[span];
    let ended = false;
    const read = () =>
      get(`/v1/stats/history?span=${seconds}&step=${step}`).then(found => {
        if (!ended) setHistory({ samples: rowsToSamples(found), stepSeconds: found.stepSeconds });
      }, onError);
    void read();
    if (step > 1) {
      const timer = setInterval(read, 10_000);
      return () => {
        ended = true;
        clearInterval(timer);
      };
    }
    const events = new EventSource('/v1/events');
    events.addEventListener('stats', event => {
      const sample = JSON.parse(event.data);
      setHistory(({ samples }) => ({ samples: [...samples, sample].slice(-900), stepSeconds: 1 }));
    });
    // It connects by itself again; what was missed meanwhile is read then.
    events.onopen = () => {
      setLive(true);
      void read();
    };
    events.onerror = () => setLive(false);
    return () => {
      ended = true;
      events.close();
    };
  }, [session, span]);
  return { ...history, live };
}

function App() {
  const [session, setSession] = useState();
  const [known, setKnown] = useState(false);
  const [view, setView] = useState(viewOf());
  const [span, setSpan] = useState('15 min');
  const [info, setInfo] = useState();
  const [error, setError] = useState('');
  const onError = problem => {
    if (problem.status === 401) setSession(undefined);
    setError(problem.message);
  };
  useEffect(() => {
    const given = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
    // Neither the history of the browser nor whoever looks over a shoulder keeps it.
    if (given !== undefined) history.replaceState(null, '', location.pathname);
    const first = given === undefined ? get('/v1/session') : begin(given);
    first
      .then(setSession, problem => {
        if (problem.status !== 401 || given !== undefined) setError(problem.message);
      })
      .finally(() => setKnown(true));
    const moved = () => {
      setError('');
      setView(viewOf());
    };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  useEffect(() => {
    if (session === undefined) return undefined;
    const read = () => get('/v1/info').then(setInfo, onError);
    void read();
    const timer = setInterval(read, 5000);
    return () => clearInterval(timer);
  }, [session]);
  const past = useHistory(session, span, onError);

  if (!known) return html`<main><p role="status">Reading…</p></main>`;
  if (session === undefined) return html`<${Login} onSession=${setSession} error=${error} setError=${setError} />`;
  const may = MAY[session.scope] ?? [];
  const [title, View] = VIEWS[view];
  const leave = () =>
    remove('/v1/session').then(() => {
      setSession(undefined);
      setError('');
    }, onError);
  return html`
    <a
      class="skip"
      href="#content"
      onClick=${event => {
        event.preventDefault();
        document.getElementById('content').focus();
      }}
      >To the content</a
    >
    <header>
      <strong class="brand">shardns</strong>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(([key, [name]]) => html`<a key=${key} href=${`#${key}`} aria-current=${key === view ? 'page' : undefined}>${name}</a>`)}
      </nav>
      <span class=${past.live ? 'state good' : 'state bad'}>${past.live ? (info?.state ?? '') : 'not connected'}</span>
      <button onClick=${leave}>Leave</button>
    </header>
    <main id="content" tabindex="-1" aria-label=${title}>
      ${error !== '' && html`<p class="error" role="alert">${error} <button onClick=${() => setError('')}>Close</button></p>`}
      ${
        view === 'overview' &&
        html`<p class="row" role="group" aria-label="Time shown">
          ${Object.keys(SPANS).map(name => html`<button key=${name} aria-pressed=${name === span} onClick=${() => setSpan(name)}>${name}</button>`)}
        </p>`
      }
      <${View}
        samples=${past.samples}
        stepSeconds=${past.stepSeconds}
        info=${info}
        mayFlush=${may.includes('flush')}
        mayWrite=${may.includes('write')}
        onError=${onError}
      />
    </main>
  `;
}

function Login({ onSession, error, setError }) {
  async function enter(event) {
    event.preventDefault();
    try {
      onSession(await begin(new FormData(event.target).get('token').trim()));
      setError('');
    } catch (problem) {
      setError(problem.message);
    }
  }
  return html`<main class="login">
    <h1>shardns</h1>
    <form onSubmit=${enter}>
      <label class="block">Token <input name="token" type="password" required autocomplete="current-password" /></label>
      <button>Enter</button>
    </form>
    <p role="alert" class=${error === '' ? '' : 'error'}>${error}</p>
  </main>`;
}

render(html`<${App} />`, document.getElementById('app'));
