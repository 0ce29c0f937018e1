// `shardns anchors --file`: the states that a file of trust anchors has, without the server that writes it.
import { ShardnsError } from '../base/errors.js';
import { readAnchorFile } from '../server/anchor-file.js';
import { type AnchorsReport, zoneReportOf } from '../server/anchors-report.js';
import { anchorsText } from './anchors-text.js';
import { say } from './say.js';

/**
 * @returns the exit status
 * @throws {ShardnsError} ERR_SHARDNS_FILE naming the path and what is wrong
 */
export async function showFile(file: string, asJson: boolean): Promise<number> {
  const zones = readAnchorFile(file);
  if (zones === undefined) throw new ShardnsError('ERR_SHARDNS_FILE', `${file}: there is no such file`);
  const report: AnchorsReport = {
    validates: true,
    file,
    zones: zones.map(zoneReportOf),
    negative: [],
    probes: 0,
    failures: 0,
  };
  const text = JSON.stringify(report);
  await say(`${asJson ? text : anchorsText(text)}\n`);
  return 0;
}
