// What a simulated fleet lives in: a clock that jumps from one event to the next, numbers that are the same in every run, and
// a Redis behind links of its own that can be cut. The clients of it are what this package asks of one (RedisClient).

/** Timers in a heap, run in the order in which they are due. */
export class SimClock {
  #now = 1_000_000;
  #heap = [];
  #count = 0;

  nowMs() {
    return this.#now;
  }
  wallSeconds() {
    return Math.floor(1_700_000_000 + this.#now / 1000);
  }
  after(delayMs, run) {
    const one = { at: this.#now + Math.max(0, delayMs), order: this.#count++, run };
    this.#push(one);
    return { cancel: () => (one.run = undefined) };
  }
  /** Runs what is due until then; promises settle between events. */
  async advanceTo(until) {
    for (;;) {
      const [first] = this.#heap;
      if (first === undefined || first.at > until) break;
      this.#now = Math.max(this.#now, first.at);
      // What is due at one time settles together.
      while (this.#heap.length > 0 && this.#heap[0].at <= this.#now) this.#pop().run?.();
      await settled();
    }
    this.#now = until;
    await settled();
  }

  #push(one) {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(one);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(one, heap[up])) break;
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = one;
  }
  #pop() {
    const heap = this.#heap;
    const [top] = heap;
    const last = heap.pop();
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1], heap[down])) down++;
      if (!before(heap[down], last)) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = last;
    return top;
  }
}
const before = (one, other) => one.at < other.at || (one.at === other.at && one.order < other.order);
const settled = () => new Promise(resolve => setImmediate(resolve));

/** xorshift32. */
export class SimRandom {
  #state;
  constructor(seed) {
    this.#state = seed >>> 0 || 1;
  }
  uint32() {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (this.#state = x >>> 0);
  }
  /** From 0 to below 1. */
  unit() {
    return this.uint32() / 0x1_0000_0000;
  }
  /** Of a Poisson process. */
  gapMs(perSecond) {
    return (-Math.log(1 - this.unit()) * 1000) / perSecond;
  }
}

/** Numbers below `count`, the k-th of which is asked for 1 / k^exponent as often as the first. */
export class Zipf {
  #sums;
  constructor(count, exponent) {
    let sum = 0;
    this.#sums = Float64Array.from({ length: count }, (_, i) => (sum += (i + 1) ** -exponent));
  }
  draw(random) {
    const sums = this.#sums;
    const wanted = random.unit() * sums[sums.length - 1];
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const text = argument => (typeof argument === 'string' ? argument : argument.toString('latin1'));
const octets = argument => (typeof argument === 'string' ? Buffer.from(argument) : argument);
const order = (one, other) => one[0] - other[0] || one[1] - other[1];

export class SimRedis {
  down = false;
  commands = 0;
  keysRead = 0;
  mostOctets = 0;
  #octets = 0;
  #values = new Map();
  #streams = new Map();
  #links = new Set();
  #blocked = new Set();

  /** @param oneWayMs of every link */
  constructor(clock, oneWayMs) {
    this.clock = clock;
    this.oneWayMs = oneWayMs;
  }
  get size() {
    return this.#values.size;
  }
  nowMs() {
    return 1_700_000_000_000 + this.clock.nowMs();
  }
  /** It is gone, with all that it had. */
  kill() {
    this.down = true;
    this.#values.clear();
    this.#streams.clear();
    this.#octets = 0;
    for (const link of this.#links) link.break();
  }
  link() {
    const link = new Link(this);
    this.#links.add(link);
    return link;
  }

  run(command, reply, fail) {
    this.commands++;
    const [name, key = ''] = [text(command[0]), command.length > 1 ? text(command[1]) : ''];
    switch (name) {
      case 'GET':
        this.keysRead++;
        return reply(this.#get(key));
      case 'MGET':
        this.keysRead += command.length - 1;
        return reply(command.slice(1).map(one => this.#get(text(one))));
      case 'SET':
        return reply(this.#set(key, command));
      case 'DEL':
        return reply(this.#forget(key) ? 1 : 0);
      case 'TIME': {
        const now = this.nowMs();
        return reply([`${Math.floor(now / 1000)}`, `${Math.floor((now % 1000) * 1000)}`].map(one => Buffer.from(one)));
      }
      case 'XADD':
        return reply(this.#xadd(key, Number(text(command[4])), octets(command[7])));
      case 'XLEN':
        return reply(this.#stream(key).length);
      case 'XRANGE':
      case 'XREVRANGE':
        return reply(this.#xrange(name, key, text(command[2]), text(command[3])));
      case 'XREAD':
        return this.#xread(command.map(text), reply);
      default:
        return fail(new Error(`ERR unknown command '${name}'`));
    }
  }

  #get(key) {
    const found = this.#values.get(key);
    if (found === undefined) return null;
    if (found.untilMs > this.nowMs()) return Buffer.from(found.value);
    this.#forget(key);
    return null;
  }
  #set(key, command) {
    const words = command.slice(3).map(text);
    if (words.includes('NX') && this.#get(key) !== null) return null;
    this.#forget(key);
    const value = octets(command[2]);
    this.#values.set(key, { value, untilMs: this.nowMs() + Number(words[words.indexOf('PX') + 1]) });
    this.#octets += value.length + key.length;
    this.mostOctets = Math.max(this.mostOctets, this.#octets);
    return 'OK';
  }
  #forget(key) {
    const found = this.#values.get(key);
    if (found !== undefined) this.#octets -= found.value.length + key.length;
    return this.#values.delete(key);
  }
  #stream(key) {
    if (!this.#streams.has(key)) this.#streams.set(key, []);
    return this.#streams.get(key);
  }
  #xadd(key, most, value) {
    const stream = this.#stream(key);
    const now = Math.floor(this.nowMs());
    const last = stream.at(-1)?.id ?? [0, 0];
    const id = now > last[0] ? [now, 0] : [last[0], last[1] + 1];
    stream.push({ id, value });
    if (stream.length > most + 100) stream.splice(0, stream.length - most);
    for (const one of this.#blocked) if (one.key === key && one.run()) this.#blocked.delete(one);
    return Buffer.from(id.join('-'));
  }
  #xrange(name, key, from, to) {
    const at = one => one.split('-').map(Number);
    const [low, high] = name === 'XRANGE' ? [from, to] : [to, from];
    const found = this.#stream(key).filter(
      ({ id }) => (low === '-' || order(id, at(low)) >= 0) && (high === '+' || order(id, at(high)) <= 0),
    );
    return (name === 'XRANGE' ? found.slice(0, 1) : found.slice(-1)).map(shown);
  }
  #xread(command, reply) {
    const at = command.indexOf('STREAMS');
    const [key, from] = command.slice(at + 1);
    const count = Number(command[command.indexOf('COUNT') + 1]);
    const after = from.split('-').map(Number);
    const run = () => {
      const stream = this.#stream(key);
      // From the end: what is new is short.
      let begin = stream.length;
      while (begin > 0 && order(stream[begin - 1].id, after) > 0) begin--;
      if (begin === stream.length) return false;
      reply([[Buffer.from(key), stream.slice(begin, begin + count).map(shown)]]);
      return true;
    };
    if (run()) return;
    const block = command.indexOf('BLOCK');
    if (block < 0) {
      reply(null);
      return;
    }
    const blocked = { key, run };
    this.#blocked.add(blocked);
    this.clock.after(Number(command[block + 1]), () => this.#blocked.delete(blocked) && reply(null));
  }
}
const shown = ({ id, value }) => [Buffer.from(id.join('-')), [Buffer.from('i'), value]];

/** From one instance. */
class Link {
  isCut = false;
  #clients = new Set();

  constructor(redis) {
    this.redis = redis;
  }
  cut() {
    this.isCut = true;
    this.break();
  }
  open() {
    this.isCut = false;
  }
  /** What is connected by it is connected no more. */
  break() {
    for (const client of [...this.#clients]) client.break();
  }
  get leads() {
    return !this.isCut && !this.redis.down;
  }

  make = lost => {
    const { redis } = this;
    const underWay = new Set();
    const client = {
      spreads: false,
      connect: async () => {
        await new Promise(resolve => redis.clock.after(2 * redis.oneWayMs, resolve));
        if (!this.leads) throw new Error('connect ECONNREFUSED');
        this.#clients.add(client);
      },
      send: (_, command) =>
        new Promise((resolve, reject) => {
          if (!this.#clients.has(client)) {
            reject(new Error('The client is closed'));
            return;
          }
          underWay.add(reject);
          const back = tell => value => {
            redis.clock.after(redis.oneWayMs, () => {
              underWay.delete(reject);
              if (this.#clients.has(client)) tell(value);
            });
          };
          redis.clock.after(redis.oneWayMs, () => {
            if (this.#clients.has(client)) redis.run(command, back(resolve), back(reject));
          });
        }),
      nodeOf: () => undefined,
      destroy: () => {
        this.#clients.delete(client);
        for (const reject of underWay) reject(new Error('The client is closed'));
        underWay.clear();
      },
      break: () => {
        client.destroy();
        lost(new Error('Socket closed unexpectedly'));
      },
    };
    return Promise.resolve(client);
  };
}
