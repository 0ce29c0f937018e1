// A thread that resolves for the main one: a recursor of its own over the RRset cache of all.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../base/clock.js';
import { Fence } from '../base/fence.js';
import { silentLogger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import { ByteCache } from '../cache/bytes/byte-cache.js';
import { type AskedFrom, resolveFor, type Resolved } from '../resolve/recursive-answers.js';
import { HeldZones } from '../resolve/recurse/held-zones.js';
import { Exchanger } from '../upstream/exchange.js';
import { routesOf } from '../upstream/route.js';
import { ExtendedError } from '../wire/iana.js';
import { Query } from '../wire/query.js';
import { useKeyOfNames } from '../zone/packed-nodes.js';
import { ZoneStore } from '../zone/zone-store.js';
import { type DefaultUpstreams, makeRecursor, updateRecursor } from './recursor-settings.js';
import { applyToTransports, authoritiesOf, exchangerOptionsOf } from './settings/upstreams.js';
import { OutcomeBatch, questionsOf } from './recursion-protocol.js';
import { wordsOf } from './recursion-stats.js';
import { unpackedZone } from './zone-loading.js';
import { systemTransports } from './transports.js';
import { UpstreamGroups } from './upstream-groups.js';
import { type FromWorker, type ToWorker, type WorkerData } from './recursion-pool.js';

const { settings, anchors, passedOver, rrsets, fence: cells, namesKey } = workerData as WorkerData;
useKeyOfNames(namesKey);
const port = parentPort!;
const [clock, random] = [systemClock, systemRandom];
const transports = systemTransports(clock, random);
const { udp, tcp } = transports;
applyToTransports(transports, settings, authoritiesOf(settings));
const exchanger = new Exchanger({
  routes: routesOf(udp, tcp, transports),
  clock,
  random,
  options: exchangerOptionsOf(settings),
  fence: new Fence(cells),
});
// What a forwarder's zones need outside of themselves is asked of its upstreams: the same ones as in the main thread, which
// says what becomes of their names.
const groups = new UpstreamGroups({ clock, log: silentLogger, exchanger });
let inForce = groups.use(settings);
groups.changed = next => {
  inForce = next;
};
// Questions wait until their names were looked up once, as at the start of a server.
await groups.begin();
let changing: Promise<void> = Promise.resolve();
const upstreams: DefaultUpstreams = () => inForce.get('default') ?? [];
const zones = new ZoneStore();
const held = new HeldZones(zones);
const recursor = makeRecursor(settings, ByteCache.attach(rrsets), exchanger, {
  clock,
  random,
  upstreams,
  anchors,
  passedOver,
  held,
});
recursor.onClockDoubt = clock => port.postMessage({ clock } satisfies FromWorker);
recursor.onBogusZone = bogusZone => port.postMessage({ bogusZone } satisfies FromWorker);
const outcomes = new OutcomeBatch();
let queued = false;

/** Those of before where the file was taken away since the main thread has read it. */
let authorities = authoritiesOf(settings);
function authoritiesAgain(next: WorkerData['settings']): string | undefined {
  try {
    authorities = authoritiesOf(next);
  } catch {
    // The main thread has told of it, or will.
  }
  return authorities;
}

function say(id: number, resolved: Resolved): void {
  outcomes.add(id, resolved);
  if (queued) return;
  queued = true;
  // What ends in the same turn goes in one message.
  setImmediate(() => {
    queued = false;
    const batch = outcomes.take();
    const stats = wordsOf({
      recursion: recursor.stats,
      udp: udp.stats,
      tcp: tcp.stats,
      overloaded: exchanger.overloaded,
      foreignCookies: exchanger.foreignCookies,
      servers: recursor.infrastructure.size,
    });
    port.postMessage({ batch, stats } satisfies FromWorker, [batch.buffer]);
  });
}

// Rejects where `Query` throws.
const resolve = async (query: Uint8Array, from: AskedFrom): Promise<Resolved> =>
  resolveFor(new Query(query), recursor, from);

port.on('message', (message: ToWorker) => {
  if (message.kind === 'settings') {
    exchanger.options = exchangerOptionsOf(message.settings);
    applyToTransports(transports, message.settings, authoritiesAgain(message.settings));
    // The ones of before are asked until names that are new were looked up.
    changing = changing.then(() => groups.prepare(message.settings)).then(change => change.commit());
    const { settings, anchors, passedOver } = message;
    updateRecursor(recursor, settings, { upstreams, anchors, passedOver, held });
  } else if (message.kind === 'hold') {
    const { apex, zone } = message;
    if (zone === undefined) zones.remove(apex);
    else zones.replace(unpackedZone(apex, zone));
  } else if (message.kind === 'forget') {
    // The RRsets too, once more: until the settings came, which did before this, they were kept by those of before; and
    // one may have been on its way to the cache while the main thread forgot them.
    if (message.name === undefined) recursor.clear();
    else recursor.forgetName(message.name);
  } else {
    for (const { id, query, from } of questionsOf(message.batch)) {
      resolve(query, from).then(
        resolved => say(id, resolved),
        (error: unknown) =>
          say(id, {
            kind: 'failure',
            extendedError: ExtendedError.other,
            reason: `a mistake of ours: ${String(error)}`,
            ours: true,
          }),
      );
    }
  }
});
