export type Values = Record<string, unknown>;
export function mergeValues(below: Values, above: Values): Values;
export function renderChart(
  folder: string,
  release: { name: string; namespace: string; service?: string; values?: Values },
): Record<string, string>;
