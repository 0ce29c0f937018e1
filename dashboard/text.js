// Numbers and times for people.
const integers = new Intl.NumberFormat('en');

export const integer = value => integers.format(Math.round(value));

export function rate(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  return value >= 100 || Number.isInteger(value) ? integer(value) : value.toFixed(1);
}

export const percent = (part, whole) => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);

export function octets(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}

export function micros(value) {
  if (value === 0) return '–';
  if (value < 1000) return `${Math.round(value)} µs`;
  if (value < 1e4) return `${(value / 1000).toFixed(1)} ms`;
  return value < 1e6 ? `${Math.round(value / 1000)} ms` : `${(value / 1e6).toFixed(1)} s`;
}

export function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
