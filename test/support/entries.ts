// Reads files of entries (ENTRY_BEGIN ... ENTRY_END) as other servers' tests have them: question and RRsets.
import { readFileSync } from 'node:fs';
import { typeCode } from '../../lib/wire/iana.js';
import { encodeName } from '../../lib/wire/name.js';
import type { ResourceRecord } from '../../lib/wire/message.js';
import { encodeRdata } from '../../lib/wire/rdata.js';
import { groupRrsets, type Rrset } from '../../lib/wire/rrset.js';

export interface Entry {
  question: string;
  rrsets: Rrset[];
}

const NAME = /^(\S+)\s+(?:(\d+)\s+)?(?:IN\s+)?(?:(\d+)\s+)?(\S+)\s*(.*)$/is;

/** A record's line of a zone file, its owner and TTL given. */
export function recordOf(line: string): ResourceRecord {
  const [, owner, before, after, type, data] = NAME.exec(line.trim())!;
  const code = typeCode(type.toUpperCase());
  if (code === undefined) throw new Error(`an unknown type: ${line}`);
  return {
    name: encodeName(owner),
    type: code,
    dnsClass: 1,
    ttl: Number(before ?? after ?? 3600),
    data: encodeRdata(code, data),
  };
}

export function readEntries(file: string): Entry[] {
  const text = readFileSync(file, 'utf8').replace(/;.*$/gm, '');
  return text
    .split('ENTRY_BEGIN')
    .slice(1)
    .map(body => {
      const records: ResourceRecord[] = [];
      let question = '';
      let section = '';
      for (const line of joinParentheses(body.split('ENTRY_END')[0].split('\n'))) {
        const word = /^SECTION\s+(\S+)/.exec(line.trim());
        if (word !== null) section = word[1];
        else if (line.trim() === '' || section === '' || /^(MATCH|ADJUST|REPLY)\b/.test(line)) continue;
        else if (section === 'QUESTION') [question] = line.trim().split(/\s+/);
        else records.push(recordOf(line));
      }
      return { question, rrsets: groupRrsets(records) };
    });
}

export function joinParentheses(lines: readonly string[]): string[] {
  const joined: string[] = [];
  let open = '';
  for (const line of lines) {
    open += (open === '' ? '' : ' ') + line;
    if ((open.match(/\(/g)?.length ?? 0) > (open.match(/\)/g)?.length ?? 0)) continue;
    joined.push(open);
    open = '';
  }
  return joined;
}
