// ByteCache in front of a database: one query for any number of callers, rows forgotten by their tag when they change, and old
// rows while the database is down. `query` stands for `pool.query` of pg.
import { ByteCache } from 'shardns';

const table = new Map([[7, { id: 7, name: 'Ada', plan: 'free' }]]);
const database = {
  queries: 0,
  isDown: false,
  async query(id) {
    this.queries++;
    await new Promise(resolve => setTimeout(resolve, 5));
    if (this.isDown) throw new Error('connection refused');
    return table.get(id) ?? null;
  },
};

const users = ByteCache.create({ memory: '16MiB', codec: 'json', ttlMs: 50, staleIfErrorMs: 600_000 });
const userOf = id => users.fetch(`user:${id}`, () => database.query(id), { tags: [`user:${id}`] });

const many = await Promise.all(Array.from({ length: 1000 }, () => userOf(7)));
console.log(many.length, 'callers,', database.queries, 'query:', many[0].name);

table.set(7, { ...table.get(7), plan: 'paid' });
users.invalidate({ tag: 'user:7' });
console.log('after a change:', (await userOf(7)).plan, 'by query', database.queries);

database.isDown = true;
await new Promise(resolve => setTimeout(resolve, 80)); // its time is over
console.log('while it is down:', (await userOf(7)).plan);
users.close();
