// What an event of the program makes stale is said once, where the values are.
import { expect, test } from 'vitest';
import { TimedCache } from '../../support/byte-cache.js';

test('an event forgets the keys and tags that the rules for it name', () => {
  using timed = new TimedCache();
  const { cache } = timed;
  const [users, teams] = [cache.namespace<string>('users'), cache.namespace<string>('teams')];
  users.on('user.updated', (id: string) => [id]);
  teams.on('user.updated', (_id: string, team: string) => ({ tags: [`team:${team}`] }));
  users.set('42', 'Eva');
  users.set('43', 'Ada');
  teams.set('42', 'a team of the same key');
  teams.set('list', 'of members', { tags: ['team:red'] });
  expect(cache.emit('user.updated', '42', 'red')).toBe(2);
  expect([users.get('42'), users.get('43')]).toEqual([undefined, 'Ada']);
  expect([teams.get('42'), teams.get('list')]).toEqual(['a team of the same key', undefined]);
  expect(cache.emit('nobody hears this')).toBe(0);
});

test('a rule that throws or says nothing useful leaves everything as it is', () => {
  using timed = new TimedCache();
  const { cache } = timed;
  cache.set('k', 'v');
  cache.on('e', () => ['k']);
  const wrong = cache.on('e', () => {
    throw new Error('a mistake of the rule');
  });
  expect(() => cache.emit('e')).toThrow('a mistake of the rule');
  expect(cache.get('k')).toBe('v');
  wrong();
  const silent = cache.on('e', (() => undefined) as never);
  expect(cache.emit('e')).toBe(1);
  silent();
  cache.set('k', 'v');
  const odd = cache.on('e', (() => 'k') as never);
  expect(() => cache.emit('e')).toThrow('rule: expected a list of keys, or { keys, tags }, of at most 100000, got "k"');
  expect(cache.get('k')).toBe('v');
  odd();
  for (const [said, message] of [
    [[42], 'key: expected a string or a Uint8Array, got 42'],
    [['k'.repeat(5000)], "key: expected at most 4096 octets with the namespace's name, got 5000"],
    [{ tags: ['k', ''] }, 'tag: expected a string of 1 to 1024 characters without lone surrogates, got ""'],
    [{ key: 'k' }, 'rule: expected a list of keys, or { keys, tags }, of at most 100000, got {"key":"k"}'],
    [new Set(['k']), 'rule: expected a list of keys, or { keys, tags }, of at most 100000, got [object Set]'],
    [Promise.resolve(['k']), 'rule: expected a list of keys'],
  ] as const) {
    const wrongly = cache.on('e', (() => said) as never);
    expect(() => cache.emit('e')).toThrow(message);
    expect(cache.get('k')).toBe('v');
    wrongly();
  }
  cache.emit('e');
  expect(cache.get('k')).toBeUndefined();
});

test('what is being loaded for a key that an event names is not stored', async () => {
  using timed = new TimedCache();
  const { cache } = timed;
  cache.on('changed', (key: string) => [key]);
  let end: (value: string) => void = () => undefined;
  const loading = cache.fetch('k', () => new Promise<string>(resolve => (end = resolve)));
  cache.emit('changed', 'k');
  end('old');
  await loading;
  expect(cache.get('k')).toBeUndefined();
});

test('names, rules and their number are checked', () => {
  using timed = new TimedCache();
  const { cache } = timed;
  expect(() => cache.on('', () => [])).toThrow('event: expected a name of 1 to 255 characters, got ""');
  expect(() => cache.on('e', 5 as never)).toThrow('rule: expected a function, got 5');
  for (let i = 0; i < 10_000; i++) cache.on('e', () => []);
  expect(() => cache.on('e', () => [])).toThrow('10000 event rules are in use');
});
