// The options in force, and their change while the server lives: all that can fail is checked or done first, beside what is
// in force (Prepared), so that a change that is refused has changed nothing.
import { isDeepStrictEqual } from 'node:util';
import { ShardnsError, show } from '../base/errors.js';
import { Steps } from '../base/steps.js';
import { isSourced, sameSource } from '../transport/local-address.js';
import type { ServerParts } from './assemble.js';
import { tellDoubts } from './doubts.js';
import type { Prepared } from './prepared.js';
import { resolverOptionsOf, tunablesOf } from './settings/compile.js';
import { configurationOf, rulesNumberOf } from './settings/configuration.js';
import { workersOf } from './settings/recursion.js';
import { changedSettings, readOptions, type ServerOptions, type ServerSettings } from './settings/settings.js';
import { applyToTransports, authoritiesOf, checkSource, exchangerOptionsOf, sourceOf } from './settings/upstreams.js';

/** Those above the server that live with it; what they prepare is put in force, or let go of, with everything else. */
export interface PreparesSettings {
  /** New settings are valid and about to take effect; an error keeps the old ones. */
  prepare?(settings: ServerSettings): Promise<Prepared>;
}

/** The life of the server, which goes on meanwhile. */
export interface ServerLife {
  readonly observers: readonly PreparesSettings[];
  isListening(): boolean;
  /** @throws {ShardnsError} ERR_SHARDNS_CLOSED */
  checkOpen(call: string): void;
  /** Listens by `next`; where that fails, as before. */
  relisten(next: SettingsPair, before: SettingsPair): Promise<void>;
}

/** Options as they were given, and with every default filled in. */
export interface SettingsPair {
  readonly options: ServerOptions;
  readonly settings: ServerSettings;
}

export class SettingsInForce implements SettingsPair {
  constructor(
    private readonly parts: ServerParts,
    private readonly life: ServerLife,
    public options: ServerOptions,
    public settings: ServerSettings,
  ) {}

  /** @throws {ShardnsError} ERR_SHARDNS_OPTION, ERR_SHARDNS_LISTEN, ERR_SHARDNS_CLOSED; the server goes on as it was */
  async replace(options: ServerOptions): Promise<void> {
    const { parts, life } = this;
    life.checkOpen('update()');
    const before = { options: this.options, settings: this.settings };
    const settings = readOptions(options);
    const changed = changedSettings(before.settings, settings);
    this.#refuseRestarts(changed, settings);
    if (parts.sharesEngine) parts.engine.mayDeclare(parts.owner, configurationOf(settings));
    const relisten = life.isListening() && changed.some(({ change }) => change === 'relisten');
    const source = sourceOf(settings);
    if (isSourced(parts.transports.udp) && !sameSource(source, sourceOf(before.settings))) await checkSource(settings);
    const authorities = authoritiesOf(settings);
    const prepared: Prepared[] = [];
    try {
      prepared.push(parts.certificates.prepare(settings));
      prepared.push(await parts.groups.prepare(settings));
      // Before those who believe them.
      prepared.push(parts.anchors.prepare(settings));
      prepared.push(parts.recursion.prepare(settings));
      prepared.push(await parts.clientRules.lists.prepare(settings));
      prepared.push(await parts.zones.prepare(settings));
      // Behind those of files, which may take the place of others.
      prepared.push(parts.zoneTransfers.prepare(settings, authorities, source));
      prepared.push(parts.watching.prepare(settings));
      for (const observer of life.observers) {
        const change = await observer.prepare?.(settings);
        if (change !== undefined) prepared.push(change);
      }
      life.checkOpen('update()');
      if (relisten) await life.relisten({ options, settings }, before);
    } catch (error) {
      // Whatever becomes of these, it is why the change is refused that is told.
      const steps = new Steps();
      for (const change of prepared) steps.do(() => change.discard());
      throw error;
    }
    this.options = options;
    this.settings = settings;
    this.#commit(settings, before.settings, { prepared, authorities });
    await parts.zones.serving;
    this.tellDoubts();
  }

  /** What of the options cannot be meant. */
  tellDoubts(): void {
    tellDoubts(this.options, this.settings, this.parts);
  }

  #refuseRestarts(changed: ReturnType<typeof changedSettings>, settings: ServerSettings): void {
    for (const { path, change, before, after } of changed) {
      if (change !== 'restart' || !this.#isInUse(path)) continue;
      if (path === 'resolver.workers' && workersOf(this.settings) === workersOf(settings)) continue;
      throw new ShardnsError(
        'ERR_SHARDNS_OPTION',
        `${path}: cannot change while the server lives (${show(before)} to ${show(after)}): restart with it`,
      );
    }
  }

  /** Whether what the option made lives: a recursor is made when it is first wanted. */
  #isInUse(option: string): boolean {
    const isRecursors = option === 'resolver.workers' || option === 'cache.rrsetMemory';
    return this.parts.resolver.recursor !== undefined || !isRecursors;
  }

  /** Whole, whatever becomes of a part: a step that throws is a mistake of ours, which is told and leaves none undone. */
  #commit(
    settings: ServerSettings,
    before: ServerSettings,
    { prepared, authorities }: { prepared: readonly Prepared[]; authorities: string | undefined },
  ): void {
    const { parts } = this;
    const { engine, resolver, exchanger } = parts;
    const steps = new Steps();
    steps.do(() => resolver.plain.takeOverAll());
    if (parts.sharesEngine) {
      steps.do(() => engine.declare(parts.owner, configurationOf(settings)));
      // Another scope parts nothing that is told, but what is under way was begun for the other entries.
      if (settings.cache.scope !== before.cache.scope) steps.do(() => resolver.forget('all'));
    }
    steps.do(() => (parts.fleet === undefined ? engine.configure(tunablesOf(settings)) : parts.fleet.use(settings)));
    steps.do(() => (parts.snapshots.rules = rulesNumberOf(settings)));
    if (this.life.isListening() && !isDeepStrictEqual(settings.snapshot, before.snapshot)) {
      steps.do(() => parts.snapshots.use(settings.snapshot));
    }
    steps.do(() => (resolver.options = resolverOptionsOf(settings)));
    steps.do(() => (exchanger.options = exchangerOptionsOf(settings)));
    for (const change of prepared) steps.do(() => change.commit());
    steps.do(() => parts.probes.use(settings));
    steps.do(() => parts.negativeAnchors.use(settings));
    if (this.life.isListening()) steps.do(() => parts.mirror.use(settings));
    steps.do(() => applyToTransports(parts.transports, settings, authorities));
    steps.do(() => parts.listeners.use(settings));
    steps.do(() => parts.clientRules.apply(settings));
    steps.do(() => parts.designate(settings));
    steps.do(() => parts.invalidation.changed(before, settings));
    for (const error of steps.errors) {
      parts.log.error({ err: error }, 'a part of new settings could not be put in force: this is a mistake of ours');
    }
  }
}
