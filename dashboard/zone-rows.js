// What the API says of zones, as rows of a table: those of files and those of other servers as one list, by name.

const forWhom = serves => (serves === 'recursion' ? ' for recursion' : '');
const keyOf = name => name.toLowerCase().replace(/\.$/, '') || '.';

/** @param now seconds since 1970 */
export function rowsOf({ zones, transfers }, now) {
  const linked = new Map(transfers.map(one => [keyOf(one.name), one]));
  const ofFiles = zones.map(({ name, views, serves, file, serial, records, loadedSeconds, problem, doubt }) => ({
    name: keyOf(name),
    from: views.length > 0 ? `${file} for ${views.join(', ')}` : `${file}${forWhom(serves)}`,
    serial,
    records,
    age: loadedSeconds === undefined ? undefined : Math.max(0, now - loadedSeconds),
    state: serial === undefined ? 'not served' : problem === undefined ? 'served' : 'an older version',
    // Served, and its secondaries have not all of it.
    problem: problem ?? doubt,
    isFile: true,
    isLinked: views.length === 0 && linked.has(keyOf(name)),
  }));
  const files = new Set(zones.map(one => keyOf(one.name)));
  const ofOthers = transfers
    .filter(one => one.secondary !== undefined || !files.has(keyOf(one.name)))
    .map(({ name, serves, serial, primaries, secondary }) => ({
      name: keyOf(name),
      from: `${primaries.join(', ') || 'made here'}${forWhom(serves)}`,
      serial: secondary === undefined ? serial : secondary.serial,
      age: secondary?.confirmedSecondsAgo,
      refresh: secondary?.refreshInSeconds,
      expires: secondary?.expiresInSeconds,
      state: { empty: 'not there yet', expired: 'expired' }[secondary?.state] ?? 'served',
      problem: secondary?.problem,
      isSecondary: secondary !== undefined,
      isLinked: true,
    }));
  return [...ofFiles, ...ofOthers].sort((a, b) => (a.name < b.name ? -1 : 1));
}
