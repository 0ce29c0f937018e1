// What `shardns ctl zones` asks for, and how it shows it.
import type { ZoneReport } from '../server/zones.js';
import type { ZoneTransfersReport } from '../server/zone-transfers.js';

export interface ZonesCall {
  method: 'GET' | 'POST';
  path: string;
  body?: object;
  show(text: string): string;
  whole: boolean;
  status?(text: string): number;
}

/** @returns undefined for words that are none of its */
export function zonesCallOf([word, name, more]: readonly string[], view?: string): ZonesCall | undefined {
  if (more !== undefined || (view !== undefined && word !== 'export')) return undefined;
  if (word === undefined)
    return { method: 'GET', path: '/v1/zones', show: zonesText, whole: true, status: zonesStatus };
  if (word === 'reload') {
    const body = name === undefined ? {} : { name };
    return { method: 'POST', path: '/v1/zones/reload', body, show: zonesText, whole: true, status: zonesStatus };
  }
  if (name === undefined) return undefined;
  if (word === 'notify') {
    return { method: 'POST', path: '/v1/zones/notify', body: { name }, show: toldText, whole: true };
  }
  if (word === 'refresh' || word === 'retransfer') {
    const body = { name, whole: word === 'retransfer' };
    return { method: 'POST', path: '/v1/zones/refresh', body, show: () => 'its primaries are asked', whole: true };
  }
  const query = new URLSearchParams(view === undefined ? { name } : { name, view }).toString();
  if (word === 'check') {
    return { method: 'GET', path: `/v1/zones/check?${query}`, show: checkText, whole: true, status: checkStatus };
  }
  if (word === 'export') {
    return { method: 'GET', path: `/v1/zones/export?${query}`, show: line => line, whole: false };
  }
  return undefined;
}

type Zone = ZoneReport & { doubt?: string };
const zonesOf = (text: string): Zone[] => (JSON.parse(text) as { zones: Zone[] }).zones;
const zonesStatus = (text: string): number => (zonesOf(text).some(one => one.problem !== undefined) ? 1 : 0);

const toldText = (text: string): string => `${(JSON.parse(text) as { told: number }).told} servers are told`;

const forWhom = (serves: ZoneReport['serves']): string => (serves === 'recursion' ? ' for recursion' : '');

/** Zones that are had from primaries. */
function secondariesText(text: string): string[] {
  const { transfers = [] } = JSON.parse(text) as { transfers?: ZoneTransfersReport['zones'] };
  return transfers.flatMap(({ name, serves, primaries, secondary }) => {
    if (secondary === undefined) return [];
    const { state, serial, refreshInSeconds, expiresInSeconds, problem } = secondary;
    const what = state === 'serving' ? `serial ${serial}, expires in ${expiresInSeconds} s` : `${state}, not served`;
    const line = `${name}${forWhom(serves)}: secondary of ${primaries.join(', ')}, ${what}, asks in ${refreshInSeconds} s`;
    return [problem === undefined ? line : `${line}\n  ${problem}`];
  });
}

function zonesText(text: string): string {
  const files = filesText(text);
  const all = [...(files === '' ? [] : [files]), ...secondariesText(text)];
  return all.length === 0 ? 'no zones' : all.join('\n');
}

function filesText(text: string): string {
  return zonesOf(text)
    .map(({ name, type, file, views, serves, serial, records, problem, doubt }) => {
      const whose = views.length > 0 ? ` for ${views.join(', ')}` : forWhom(serves);
      const what = serial === undefined ? 'not served' : `serial ${serial}, ${records} records`;
      const said = [problem, doubt].filter(one => one !== undefined);
      return [`${name}${whose}: ${type}, ${what}, ${file}`, ...said].join('\n  ');
    })
    .join('\n');
}

interface Checked {
  files: { file: string; good: boolean; problems: string[] }[];
}
const checkText = (text: string): string =>
  (JSON.parse(text) as Checked).files
    .map(({ file, good, problems }) => [...problems, `${file}: ${good ? 'good' : 'cannot be served'}`].join('\n'))
    .join('\n');
const checkStatus = (text: string): number => ((JSON.parse(text) as Checked).files.every(one => one.good) ? 0 : 1);
