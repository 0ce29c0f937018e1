// By what names are resolved, as settings say together what each of them does not alone.
import { isKeylessRoot } from './dnssec.js';
import type { ServerSettings } from './settings.js';
import { groupsOf } from './upstreams.js';

/** Whether names are resolved from the root where nothing else is configured for them. */
export function isRecursive(settings: ServerSettings): boolean {
  return settings.resolver.recursive ?? !hasUpstreams(settings);
}
export function hasUpstreams(settings: ServerSettings): boolean {
  return (groupsOf(settings).default ?? []).length > 0;
}
/** Whether answers have to prove themselves. */
export function validates(settings: ServerSettings): boolean {
  return settings.dnssec.validate ?? (isRecursive(settings) && !isKeylessRoot(settings));
}
/** Whether anything at all goes past the upstreams. */
export function needsRecursor(settings: ServerSettings): boolean {
  const { dnssec, stubZones, forwardZones } = settings;
  const judges = dnssec.validate === true && hasUpstreams(settings);
  return isRecursive(settings) || judges || stubZones.length > 0 || forwardZones.length > 0;
}
