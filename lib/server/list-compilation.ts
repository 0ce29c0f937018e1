// The lists of the settings, compiled as their files are now. What cannot be read again, or has too much, is compiled from its
// last good copy (ListFiles), so that one bad file keeps none of the others from being renewed. What was wrong is told.
import { stat } from 'node:fs/promises';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { versionOf } from '../base/regular-file.js';
import { guessFormat } from '../clients/list-guess.js';
import { compileLists, type ListReport, type ListSource, type NameLists } from '../clients/lists.js';
import { copyOf, type Download, isUrl } from './list-downloads.js';
import { ListFiles } from './list-files.js';
import type { List } from './settings/lists.js';
import type { ServerSettings } from './settings/settings.js';

type Settings = Pick<ServerSettings, 'lists' | 'blocking'>;

export interface CompiledLists {
  names: NameLists;
  /** Of the files, when they were read. */
  versions: string[];
  files: ListFiles;
}

/**
 * @param before what is in force
 * @throws {ShardnsError} ERR_SHARDNS_FILE, ERR_SHARDNS_OPTION naming the list where there is no copy of before
 */
export async function compileOf(
  { lists, blocking }: Settings,
  before: CompiledLists | undefined,
  { random, log }: { random: Random; log: Logger },
): Promise<CompiledLists> {
  // Before they are read: what changes meanwhile is seen afterwards.
  const versions = await versionsOf({ lists, blocking });
  const files = new ListFiles(
    lists.map(({ source }) => ({ path: fileOf(source, blocking.folder), mayLack: isUrl(source) })),
    before?.files,
  );
  try {
    const names = await compileFrom(files, { lists, blocking }, random);
    for (const [i, one] of names.reports.entries()) tell(one, lists[i], log);
    for (const [i, reason] of files.stale) {
      if (before?.files.staleAt(files.files[i].path) === reason) continue;
      log.warn({ list: lists[i].name, reason }, 'a list cannot be read again; its last good copy stays in force');
    }
    if (names.records.unreadable.length > 0) {
      log.warn({ records: names.records.unreadable }, 'records of lists cannot be read and are left out');
    }
    return { names, versions, files };
  } catch (error) {
    files.close();
    throw error;
  }
}

/** Tries again without what was of no use, once a list at the most, and once without all that has changed. */
async function compileFrom(files: ListFiles, { lists, blocking }: Settings, random: Random): Promise<NameLists> {
  for (;;) {
    let reading = 0;
    try {
      const sources = lists.map((one, i) => sourceOf(one, files.text(i)));
      return await compileLists(sources, random, {
        maxNames: blocking.maxNames,
        reading: list => {
          reading = list;
        },
      });
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      // Which of them has grown too large for all to find room nobody knows.
      const goesOn =
        (code !== 'ERR_SHARDNS_FILE' && files.fallBackAgain(message)) ||
        files.fallBack(reading, message) ||
        (code !== 'ERR_SHARDNS_FILE' && files.fallBackAll(message));
      if (!goesOn) throw error;
    }
  }
}

const LOOKS_LIKE = {
  hosts: 'a hosts file (format hosts)',
  domains: 'a list of names (format domains)',
  adblock: 'rules of ad blockers (format adblock)',
  rpz: 'a response policy zone (format rpz)',
  html: 'a web page, not a list: look at what its source leads to',
  binary: 'no text: it may be compressed',
} as const;

function tell({ name, lines, rules, broken, unsupported, problems }: ListReport, { format }: List, log: Logger): void {
  log.info({ list: name, rules, broken, unsupported }, 'a list was read');
  if (broken + unsupported > 0) {
    const texts = problems.map(one => `${one.line}: ${one.broken ? 'broken' : 'not supported'}: ${one.text}`);
    log.warn({ list: name, broken, unsupported, lines: texts }, 'lines of a list are left out');
  }
  const isWrong = rules === 0 ? lines > 0 : broken > MOSTLY_BROKEN * rules;
  if (!isWrong) return;
  const guess = guessFormat(problems.map(one => one.text));
  const looksLike = guess === undefined || guess === format ? undefined : LOOKS_LIKE[guess];
  const what = rules === 0 ? 'a list has no rules' : 'hardly a line of a list is a rule';
  log.warn({ list: name, format, lines, rules, looksLike }, `${what}: its format is most likely another one`);
}
/** Broken lines for each rule. Those that are not supported do not count: some lists are mostly cosmetic rules. */
const MOSTLY_BROKEN = 9;

/** What of a list decides how it is compiled. */
export const compiledFrom = ({ name, source, sha256, format, action, matches }: List): object => ({
  name,
  source,
  sha256,
  format,
  action,
  matches,
});

function sourceOf({ name, format, action, matches }: List, text: ListSource['text']): ListSource {
  const common = { name, format: format === 'rpz' ? 'zone' : format, text } as const;
  if (action === 'allow') return { ...common, allows: true, plain: matches };
  if (action === 'passthru') return { ...common, instead: 'pass' };
  return format === 'rpz' ? { ...common, instead: action } : { ...common, block: action, plain: matches };
}

/** Where its text lies. */
const fileOf = (source: string, folder = ''): string => (isUrl(source) ? copyOf(folder, source) : source);

export const downloadsOf = ({ lists }: Settings): Download[] =>
  lists.flatMap(({ name, source, sha256 }) => (isUrl(source) ? [{ name, url: source, sha256 }] : []));

/** '' for one that is not there now. */
export function versionsOf({ lists, blocking }: Settings): Promise<string[]> {
  return Promise.all(
    lists.map(({ source }) => stat(fileOf(source, blocking.folder), { bigint: true }).then(versionOf, () => '')),
  );
}
