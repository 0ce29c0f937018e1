// A family of metrics: its name, its labels, and how its samples are read from a server's report.
import type { ServerReport } from '../server/report.js';

export type Labels = Record<string, string>;
export type Samples = readonly (readonly [Labels, number])[];
export interface Family {
  name: string;
  help: string;
  kind: 'counter' | 'gauge';
  labels: string[];
  read: (report: ServerReport) => Samples;
}

const one = (value: number | undefined): Samples => (value === undefined ? [] : [[{}, value]]);
/** A sample for each key of an object, under one label. */
export const by = (label: string, values: Readonly<Record<string, number>>): Samples =>
  Object.entries(values).map(([key, value]) => [{ [label]: key }, value]);

export function family(
  kind: Family['kind'],
  name: string,
  help: string,
  read: (report: ServerReport) => Samples | number | undefined,
  labels: string[] = [],
): Family {
  return {
    name,
    help,
    kind,
    labels,
    read: report => {
      const value = read(report);
      return value === undefined || typeof value === 'number' ? one(value) : value;
    },
  };
}
export const counter = family.bind(undefined, 'counter');
export const gauge = family.bind(undefined, 'gauge');
