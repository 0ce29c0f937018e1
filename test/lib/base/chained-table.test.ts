// A hash table whose entries carry their hash and their link.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Chained, ChainedTable } from '../../../lib/base/chained-table.js';

class Entry implements Chained<Entry> {
  next: Entry | undefined;
  constructor(readonly hash: number) {}
}
const found = (table: ChainedTable<Entry>, entry: Entry): boolean => {
  for (let one = table.first(entry.hash); one !== undefined; one = one.next) if (one === entry) return true;
  return false;
};

test('holds what came and did not go, whatever the hashes', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(7), fc.nat()), { maxLength: 400 });
  fc.assert(
    fc.property(steps, all => {
      const table = new ChainedTable<Entry>();
      const model: Entry[] = [];
      for (const [comes, hash, which] of all) {
        if (comes || model.length === 0) {
          // Eight hashes that share places as the table grows, and their high bits count.
          const entry = new Entry((hash << 29) >>> 0);
          table.add(entry);
          model.push(entry);
        } else {
          const [gone] = model.splice(which % model.length, 1);
          expect(table.delete(gone)).toBe(true);
          expect(table.delete(gone)).toBe(false);
          expect(gone.next).toBeUndefined();
        }
        expect(table.size).toBe(model.length);
      }
      expect(model.every(entry => found(table, entry))).toBe(true);
      expect(new Set(table.all())).toEqual(new Set(model));
    }),
  );
});

test('grows with its entries, so that few share a place', () => {
  const table = new ChainedTable<Entry>();
  for (let hash = 0; hash < 10_000; hash++) table.add(new Entry(hash));
  for (let hash = 0; hash < 10_000; hash++) {
    const first = table.first(hash);
    expect(first?.next?.next).toBeUndefined();
    expect(first).toBeDefined();
  }
});
