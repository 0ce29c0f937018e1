// Name servers as functions: each address serves zones written as records; answers as an authoritative server does.
import { ShardnsError } from '../../lib/base/errors.js';
import type { AskServer } from '../../lib/resolve/recurse/options.js';
import { Class, Flag, Rcode, Type, typeCode } from '../../lib/wire/iana.js';
import { encodeMessage, type ResourceRecord } from '../../lib/wire/message.js';
import { ancestors, encodeName, equalNames, foldName, isAtOrBelow, nameToText } from '../../lib/wire/name.js';
import { encodeRdata } from '../../lib/wire/rdata.js';

interface Zone {
  origin: Uint8Array;
  records: ResourceRecord[];
}

/** `name [ttl] type data` a line; names are absolute. */
function parseZone(origin: string, text: string): Zone {
  return { origin: foldName(encodeName(origin)), records: parseRecords(text) };
}

function parseRecords(text: string): ResourceRecord[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .map(line => {
      const [, name, ttl, type, data] = /^(\S+)\s+(?:(\d+)\s+)?(\S+)\s+(.*)$/.exec(line)!;
      const code = typeCode(type)!;
      return {
        name: foldName(encodeName(name)),
        type: code,
        dnsClass: Class.IN,
        ttl: Number(ttl ?? 300),
        data: encodeRdata(code, data, '.'),
      };
    });
}

/** A response with whatever a test wants it to have; records as lines of a zone. */
export function response(
  name: string,
  type: number,
  sections: { rcode?: number; aa?: boolean; answer?: string; authority?: string; additional?: string },
): Uint8Array {
  const { rcode = Rcode.NOERROR, aa = true, answer = '', authority = '', additional = '' } = sections;
  return encodeMessage({
    id: 0,
    flags: Flag.QR | (aa ? Flag.AA : 0) | rcode,
    question: { name: encodeName(name), type, dnsClass: Class.IN },
    answers: parseRecords(answer),
    authorities: parseRecords(authority),
    additionals: parseRecords(additional),
  })!;
}

export interface Asked {
  server: string;
  name: string;
  type: number;
}

export class FakeInternet {
  readonly asked: Asked[] = [];
  readonly #zones = new Map<string, Zone[]>();
  /** Servers that never answer. */
  readonly silent = new Set<string>();
  /** In place of what a server would say. */
  override: ((server: string, name: string, type: number) => Uint8Array | undefined) | undefined;

  serve(address: string, origin: string, text: string): this {
    const zones = this.#zones.get(address) ?? [];
    zones.push(parseZone(origin, text));
    this.#zones.set(address, zones);
    return this;
  }

  /** It serves this zone, whatever it served of it before. */
  replace(address: string, origin: string, text: string): this {
    const zone = parseZone(origin, text);
    const others = (this.#zones.get(address) ?? []).filter(one => !equalNames(one.origin, zone.origin));
    this.#zones.set(address, [...others, zone]);
    return this;
  }

  readonly ask: AskServer = (question, server) => {
    const { address } = server.at;
    const name = nameToText(question.name);
    this.asked.push({ server: address, name, type: question.type });
    if (this.silent.has(address) || !this.#zones.has(address)) {
      return Promise.reject(new ShardnsError('ERR_SHARDNS_TIMEOUT', `${address} is silent`));
    }
    return Promise.resolve(
      this.override?.(address, name, question.type) ?? this.#answer(address, question.name, question.type),
    );
  };

  #answer(address: string, name: Uint8Array, type: number): Uint8Array {
    const zone = this.#zones
      .get(address)!
      .filter(one => isAtOrBelow(name, one.origin))
      .sort((a, b) => b.origin.length - a.origin.length)[0];
    const reply = (rcode: number, aa: boolean, answers: ResourceRecord[] = [], authorities: ResourceRecord[] = []) => {
      const targets = [...answers, ...authorities].filter(one => one.type === Type.NS).map(one => one.data);
      const additionals = zone?.records.filter(
        one => (one.type === Type.A || one.type === Type.AAAA) && targets.some(target => equalNames(target, one.name)),
      );
      return encodeMessage({
        id: 0,
        flags: Flag.QR | (aa ? Flag.AA : 0) | rcode,
        question: { name, type, dnsClass: Class.IN },
        answers,
        authorities,
        additionals: additionals ?? [],
      })!;
    };
    if (zone === undefined) return reply(Rcode.REFUSED, false);
    for (const above of ancestors(name)) {
      if (above.length <= zone.origin.length) break;
      const ns = zone.records.filter(one => one.type === Type.NS && equalNames(one.name, above));
      if (ns.length > 0) return reply(Rcode.NOERROR, false, [], ns);
    }
    const here = zone.records.filter(one => equalNames(one.name, name));
    const found = here.filter(one => one.type === type || one.type === Type.CNAME);
    if (found.length > 0) return reply(Rcode.NOERROR, true, found);
    const soa = zone.records.filter(one => one.type === Type.SOA);
    const exists = zone.records.some(one => isAtOrBelow(one.name, name));
    return reply(exists ? Rcode.NOERROR : Rcode.NXDOMAIN, true, [], soa);
  }
}

const SOA = 'ns.example. hostmaster.example. 1 3600 600 86400 300';

/** A root, com and net, each on an address of its own. */
export function smallInternet(): FakeInternet {
  return new FakeInternet()
    .serve(
      '192.0.2.1',
      '.',
      `. SOA ${SOA}
      . 86400 NS a.root.
      a.root. 86400 A 192.0.2.1
      com. 86400 NS ns.com.
      ns.com. 86400 A 192.0.2.2
      net. 86400 NS ns.net.
      ns.net. 86400 A 192.0.2.3`,
    )
    .serve(
      '192.0.2.2',
      'com.',
      `com. SOA ${SOA}
      com. NS ns.com.
      ns.com. A 192.0.2.2
      example.com. 3600 NS ns.example.com.
      ns.example.com. 3600 A 192.0.2.10
      glueless.com. NS ns.example.net.
      fan.com. NS ns0.example.net.
      ${Array.from({ length: 50 }, (_, i) => `fan.com. NS v${i}.example.net.`).join('\n')}`,
    )
    .serve(
      '192.0.2.3',
      'net.',
      `net. SOA ${SOA}
      net. NS ns.net.
      example.net. NS ns.example.net.
      ns.example.net. A 192.0.2.11`,
    )
    .serve(
      '192.0.2.10',
      'example.com.',
      `example.com. SOA ${SOA}
      example.com. NS ns.example.com.
      ns.example.com. 3600 A 192.0.2.10
      www.example.com. A 10.0.0.1
      sub.example.com. 86400 NS ns.sub.example.com.
      ns.sub.example.com. 86400 A 192.0.2.12
      alias.example.com. CNAME www.example.com.
      loop.example.com. CNAME loop.example.com.
      ${Array.from({ length: 20 }, (_, i) => `c${i}.example.com. CNAME c${i + 1}.example.com.`).join('\n')}`,
    )
    .serve(
      '192.0.2.11',
      'example.net.',
      `example.net. SOA ${SOA}
      example.net. NS ns.example.net.
      ns.example.net. A 192.0.2.11
      www.example.net. A 10.0.0.2`,
    )
    .serve('192.0.2.12', 'sub.example.com.', `sub.example.com. SOA ${SOA}\nwww.sub.example.com. A 10.0.0.4`)
    .serve('192.0.2.11', 'glueless.com.', `glueless.com. SOA ${SOA}\nwww.glueless.com. A 10.0.0.3`);
}
