// A fleet in a simulation: instances of the real ByteCache, its second level, its log and its breakers, on a clock and a
// network that are not real. Keys are asked for as by Zipf, and change; the links to Redis are cut, Redis goes away, instances
// are replaced. The same numbers come out on any machine.
//
//   npm run bench -- fleet-simulation [SECONDS]
import { ByteCache } from '../../dist/index.js';
import { keep } from '../results.mjs';
import { SimClock, SimRandom, SimRedis, Zipf } from './sim-world.mjs';

const SECONDS = Number(process.argv[2] ?? 30);
const STEP_MS = 5;
const LOAD_MS = 20;
const ONE_WAY_MS = 0.3;
const OCTETS = 200;
const LEVEL = { url: 'redis://simulated', secret: 'a secret of thirty-two octets...', minTtlMs: 1000 };

class Fleet {
  clock = new SimClock();
  redis = new SimRedis(this.clock, ONE_WAY_MS);
  random = new SimRandom(17);
  members = [];
  counts = { asked: 0, here: 0, loads: 0, stale: 0, staleMs: 0, overHedge: 0 };
  /** What each key is at its source, and when it has changed. */
  versions;
  changes = new Map();
  loadsBySecond = [];

  constructor(options) {
    this.options = { instances: 10, keys: 10_000, exponent: 1, perSecond: 50, ttlMs: 10_000, changes: 0, ...options };
    this.zipf = new Zipf(this.options.keys, this.options.exponent);
    this.versions = new Uint32Array(this.options.keys);
    this.begun = this.clock.nowMs();
  }
  get seconds() {
    return (this.clock.nowMs() - this.begun) / 1000;
  }

  async begin() {
    for (let i = 0; i < this.options.instances; i++) this.members.push(this.make());
    await this.pass(1000);
    this.begun = this.clock.nowMs();
  }
  make() {
    const link = this.redis.link();
    const { ttlMs, shares = true } = this.options;
    const cache = ByteCache.create(
      { memory: '16MiB', codec: 'utf8', ttlMs, ...(shares ? { redis: LEVEL } : {}) },
      { clock: this.clock, random: this.random, redis: link.make },
    );
    cache.native.shiftClock(this.clock.nowMs());
    return { cache, link, nextMs: this.clock.nowMs() };
  }
  async replace(i) {
    const old = this.members[i];
    this.members[i] = this.make();
    await old.cache.end();
  }
  async pass(ms) {
    const until = this.clock.nowMs() + ms;
    await this.clock.advanceTo(until);
    for (const { cache } of this.members) cache.native.shiftClock(until);
  }

  /** Runs for so long; `events` are called at each step. */
  async run(seconds, event = () => {}) {
    const until = this.clock.nowMs() + seconds * 1000;
    let changeMs = this.clock.nowMs();
    while (this.clock.nowMs() < until) {
      await event(this.seconds);
      const now = this.clock.nowMs();
      for (; this.options.changes > 0 && changeMs <= now; changeMs += this.random.gapMs(this.options.changes))
        this.change();
      for (const member of this.members) {
        for (; member.nextMs <= now; member.nextMs += this.random.gapMs(this.options.perSecond)) this.ask(member);
      }
      await this.pass(STEP_MS);
    }
  }
  /** Some instance writes to the source, and forgets the key. */
  change() {
    const key = this.zipf.draw(this.random);
    this.versions[key]++;
    if (!this.changes.has(key)) this.changes.set(key, []);
    this.changes.get(key)[this.versions[key]] = this.clock.nowMs();
    const { cache } = this.members[this.random.uint32() % this.members.length];
    cache.delete(`key ${key}`);
  }
  ask({ cache }) {
    const { counts, clock } = this;
    const key = this.zipf.draw(this.random);
    const known = this.versions[key];
    const begun = clock.nowMs();
    counts.asked++;
    if (cache.has(`key ${key}`)) counts.here++;
    cache
      .fetch(`key ${key}`, () => this.load(key))
      .then(
        value => {
          const version = Number.parseInt(value, 10);
          if (clock.nowMs() - begun > LOAD_MS + 5.01) counts.overHedge++;
          if (version >= known) return;
          counts.stale++;
          counts.staleMs = Math.max(counts.staleMs, clock.nowMs() - this.changes.get(key)[version + 1]);
        },
        error => {
          if (error.code !== 'ERR_SHARDNS_CLOSED') throw error;
        },
      );
  }
  load(key) {
    this.counts.loads++;
    const second = Math.floor(this.seconds);
    this.loadsBySecond[second] = (this.loadsBySecond[second] ?? 0) + 1;
    const version = this.versions[key];
    return new Promise(resolve => this.clock.after(LOAD_MS, () => resolve(`${version} `.padEnd(OCTETS, '.'))));
  }

  /** What is wrong in any memory, after all was said. */
  wrong() {
    let count = 0;
    for (const { cache } of this.members) {
      for (let key = 0; key < this.versions.length; key++) {
        const value = cache.get(`key ${key}`);
        if (value !== undefined && Number.parseInt(value, 10) < this.versions[key]) count++;
      }
    }
    return count;
  }
  level(sum) {
    return this.members.reduce((all, { cache }) => all + sum(cache.stats().level ?? {}), 0);
  }
  close() {
    for (const { cache } of this.members) cache.close();
  }
}

const share = (part, all) => Number(((100 * part) / all).toFixed(1));
const loadsIn = ({ loadsBySecond }, from, to) => {
  let sum = 0;
  for (let second = from; second < to; second++) sum += loadsBySecond[second] ?? 0;
  return Math.round(sum / (to - from));
};

/** What a second level saves, by how many instances there are. */
async function steady(options) {
  const fleet = new Fleet(options);
  await fleet.begin();
  await fleet.run(SECONDS / 2);
  const before = { ...fleet.counts, commands: fleet.redis.commands, keysRead: fleet.redis.keysRead };
  await fleet.run(SECONDS / 2);
  const { counts, redis } = fleet;
  const since = name => counts[name] - before[name];
  const seconds = SECONDS / 2;
  const row = {
    'first level %': share(since('here'), since('asked')),
    'either level %': share(since('asked') - since('loads'), since('asked')),
    'loads/s': Number((since('loads') / seconds).toFixed(1)),
    'commands/s': Math.round((redis.commands - before.commands) / seconds),
    'keys read/s': Math.round((redis.keysRead - before.keysRead) / seconds),
    'values in Redis': redis.size,
  };
  fleet.close();
  return row;
}

/** Redis is gone for a minute. */
async function outage() {
  const fleet = new Fleet({ changes: 5 });
  await fleet.begin();
  let mostQueued = 0;
  await fleet.run(60);
  fleet.redis.kill();
  await fleet.run(
    60,
    () =>
      (mostQueued = Math.max(
        mostQueued,
        fleet.level(level => level.queued ?? 0),
      )),
  );
  fleet.redis.down = false;
  await fleet.run(60);
  await fleet.pass(10_000);
  const row = {
    'loads/s before': loadsIn(fleet, 30, 60),
    'loads/s away': loadsIn(fleet, 65, 120),
    'loads/s after': loadsIn(fleet, 150, 180),
    'waits beyond hedge': fleet.counts.overHedge,
    'writes that wait, most': mostQueued,
    dropped: fleet.level(level => level.dropped ?? 0),
    'stale answers': fleet.counts.stale,
    'stale, longest ms': Math.round(fleet.counts.staleMs),
    'wrong in the end': fleet.wrong(),
  };
  fleet.close();
  return row;
}

/** Every link is cut now and then, for seconds, while keys change. */
async function cuts(changes) {
  const fleet = new Fleet({ changes });
  await fleet.begin();
  const next = fleet.members.map(() => ({ atMs: fleet.clock.nowMs() + fleet.random.unit() * 20_000, cut: false }));
  let cutFor = 0;
  await fleet.run(SECONDS, () => {
    next.forEach((one, i) => {
      if (fleet.clock.nowMs() < one.atMs) return;
      one.cut = !one.cut;
      const ms = one.cut ? 500 + fleet.random.unit() * 4500 : 5000 + fleet.random.unit() * 20_000;
      if (one.cut) cutFor += ms;
      one.atMs = fleet.clock.nowMs() + ms;
      fleet.members[i].link[one.cut ? 'cut' : 'open']();
    });
  });
  for (const { link } of fleet.members) link.open();
  await fleet.pass(20_000);
  const row = {
    changes: fleet.versions.reduce((sum, one) => sum + one, 0),
    'cut, % of the time': share(cutFor, SECONDS * 1000 * fleet.members.length),
    'stale answers': fleet.counts.stale,
    'of 1000 asked': Number(((1000 * fleet.counts.stale) / fleet.counts.asked).toFixed(2)),
    'stale, longest ms': Math.round(fleet.counts.staleMs),
    flushes: fleet.level(level => level.flushes ?? 0),
    'wrong in the end': fleet.wrong(),
  };
  fleet.close();
  return row;
}

/** One instance after another is replaced by one that knows nothing. */
async function deploy(shares) {
  const fleet = new Fleet({ shares });
  await fleet.begin();
  await fleet.run(SECONDS);
  const begin = Math.floor(fleet.seconds);
  for (let i = 0; i < fleet.members.length; i++) {
    await fleet.replace(i);
    await fleet.run(3);
  }
  const end = Math.floor(fleet.seconds);
  const row = {
    'loads/s before': loadsIn(fleet, begin - 10, begin),
    'loads/s while': loadsIn(fleet, begin, end),
    'loads/s, most': Math.max(...fleet.loadsBySecond.slice(begin, end).map(one => one ?? 0)),
    'stale answers': fleet.counts.stale,
  };
  fleet.close();
  return row;
}

const results = { steady: {}, ttl: {}, outage: {}, cuts: {}, deploy: {} };
for (const instances of [1, 3, 10, 30]) {
  results.steady[`${instances} alone`] = await steady({ instances, shares: false });
  results.steady[`${instances} sharing`] = await steady({ instances });
}
for (const ttlMs of [2000, 5000]) {
  results.ttl[`${ttlMs / 1000} s alone`] = await steady({ ttlMs, shares: false });
  results.ttl[`${ttlMs / 1000} s sharing`] = await steady({ ttlMs });
}
results.outage['10 instances'] = await outage();
for (const changes of [10, 100]) results.cuts[`${changes} changes/s`] = await cuts(changes);
results.deploy.alone = await deploy(false);
results.deploy.sharing = await deploy(true);
for (const table of Object.values(results)) console.table(table);
keep('fleet-simulation', { seconds: SECONDS, results });
