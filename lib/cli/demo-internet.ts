// A small internet on loopback addresses, for `--demo --recursive`: a root, three top-level domains, twelve zones. Each
// server knows its own zones only and refers to the others, so that recursion can be watched.
import { createSocket, type Socket } from 'node:dgram';
import { Class, Flag, Rcode, Type } from '../wire/iana.js';
import { encodeMessage, encodeQuestion, type ResourceRecord } from '../wire/message.js';
import { encodeName, foldName, isAtOrBelow } from '../wire/name.js';
import { Query } from '../wire/query.js';
import { encodeData } from '../wire/record.js';

const TOPS = ['com', 'net', 'org'];
export const DEMO_ZONES: readonly string[] = Array.from({ length: 12 }, (_, i) => `zone${i}.${TOPS[i % 3]}`);
/** Hosts of each zone; beyond them NXDOMAIN. */
const HOSTS = 2000;
const ROOT = '127.53.0.1';
const topAddress = (top: string): string => `127.53.1.${TOPS.indexOf(top) + 1}`;
const zoneAddress = (zone: string): string => `127.53.2.${(DEMO_ZONES.indexOf(zone) % 4) + 1}`;

interface Reply {
  rcode: number;
  authoritative: boolean;
  answers?: ResourceRecord[];
  authorities?: ResourceRecord[];
  additionals?: ResourceRecord[];
}

const wire = (name: string): Uint8Array => encodeName(name);
function record(
  name: string | Uint8Array,
  type: 'A' | 'NS' | 'SOA' | 'CNAME',
  ttl: number,
  data: string,
): ResourceRecord {
  const owner = typeof name === 'string' ? wire(name) : name;
  return { name: owner, type: Type[type], dnsClass: Class.IN, ttl, data: encodeData(type, data) };
}
const soa = (zone: string): ResourceRecord =>
  record(zone, 'SOA', 300, `ns.${zone === '.' ? 'root' : zone} admin.example 1 3600 600 86400 60`);

function referral(zone: string, address: string): Reply {
  const server = `ns.${zone}`;
  return {
    rcode: Rcode.NOERROR,
    authoritative: false,
    authorities: [record(zone, 'NS', 86_400, server)],
    additionals: [record(server, 'A', 86_400, address)],
  };
}

/** A zone's own word on its servers. */
function own(zone: string, server: string, address: string): Reply {
  return {
    rcode: Rcode.NOERROR,
    authoritative: true,
    answers: [record(zone, 'NS', 86_400, server)],
    additionals: [record(server, 'A', 86_400, address)],
  };
}

/** The one of `zones` that a name lies in. */
const zoneOf = (zones: readonly string[], name: Uint8Array): string | undefined =>
  zones.find(zone => isAtOrBelow(name, wire(zone)));

function answerAt(address: string, query: Query): Reply {
  const { name, type } = query;
  const is = (text: string): boolean => Buffer.compare(name, wire(text)) === 0;
  if (address === ROOT) {
    if (is('.') && type === Type.NS) return own('.', 'a.root', ROOT);
    const top = zoneOf(TOPS, name);
    if (top !== undefined) return referral(top, topAddress(top));
    return { rcode: is('.') ? Rcode.NOERROR : Rcode.NXDOMAIN, authoritative: true, authorities: [soa('.')] };
  }
  const top = zoneOf(TOPS, name);
  if (top !== undefined && topAddress(top) === address) {
    const zone = zoneOf(DEMO_ZONES, name);
    if (zone !== undefined) return referral(zone, zoneAddress(zone));
    if (is(`ns.${top}`) && type === Type.A) {
      return { rcode: Rcode.NOERROR, authoritative: true, answers: [record(name, 'A', 86_400, address)] };
    }
    return { rcode: is(top) ? Rcode.NOERROR : Rcode.NXDOMAIN, authoritative: true, authorities: [soa(top)] };
  }
  const zone = zoneOf(DEMO_ZONES, name);
  if (zone === undefined || zoneAddress(zone) !== address) return { rcode: Rcode.REFUSED, authoritative: false };
  return answerIn(zone, query, is);
}

function answerIn(zone: string, query: Query, is: (text: string) => boolean): Reply {
  const { name, type } = query;
  const found = (answer: ResourceRecord): Reply => ({ rcode: Rcode.NOERROR, authoritative: true, answers: [answer] });
  if (is(zone) && type === Type.NS) return own(zone, `ns.${zone}`, zoneAddress(zone));
  if (is(`ns.${zone}`) && type === Type.A) return found(record(name, 'A', 86_400, zoneAddress(zone)));
  if (is(`www.${zone}`)) return found(record(name, 'CNAME', 300, `host-1.${zone}`));
  const next = DEMO_ZONES[(DEMO_ZONES.indexOf(zone) + 1) % DEMO_ZONES.length];
  if (is(`elsewhere.${zone}`)) return found(record(name, 'CNAME', 300, `www.${next}`));
  const [, digits] = /^host-(\d+)\.zone\d+\.\w+\.$/.exec(query.nameText) ?? [];
  const number = digits === undefined ? Number.NaN : Number(digits);
  if (number < HOSTS && type === Type.A) {
    return found(record(name, 'A', 5 + ((number * 7919) % 120), `192.0.2.${number & 255}`));
  }
  const exists = number < HOSTS || is(zone) || is(`ns.${zone}`);
  return { rcode: exists ? Rcode.NOERROR : Rcode.NXDOMAIN, authoritative: true, authorities: [soa(zone)] };
}

export class DemoInternet {
  readonly hints = [ROOT];
  readonly #sockets: Socket[] = [];
  queries = 0;
  port = 0;

  /** All servers on one port, which the first is given. */
  async listen(): Promise<void> {
    const addresses = [ROOT, ...TOPS.map(topAddress), ...new Set(DEMO_ZONES.map(zoneAddress))];
    for (const address of addresses) {
      const socket = createSocket('udp4');
      this.#sockets.push(socket);
      socket.on('message', (message, client) => {
        this.queries++;
        const reply = encodeReply(message, answerAt(address, new Query(message)));
        // The distance to a real server.
        setTimeout(() => socket.send(reply, client.port, client.address, () => {}), 2 + Math.random() * 6);
      });
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind(this.port, address, () => {
          this.port = socket.address().port;
          socket.removeAllListeners('error');
          socket.on('error', () => {});
          resolve();
        });
      });
    }
  }
  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

function encodeReply(message: Buffer, reply: Reply): Uint8Array {
  const query = new Query(message);
  const head = {
    id: message.readUInt16BE(0),
    flags: Flag.QR | (reply.authoritative ? Flag.AA : 0) | reply.rcode,
    // The letters as they came: the resolver checks them.
    question: {
      name: Uint8Array.from(message.subarray(12, query.questionEnd - 4)),
      type: query.type,
      dnsClass: query.dnsClass,
    },
  };
  const octets = encodeMessage({
    ...head,
    answers: (reply.answers ?? []).map(one => ({ ...one, name: foldName(one.name) })),
    authorities: reply.authorities ?? [],
    additionals: reply.additionals ?? [],
  });
  return octets ?? encodeQuestion({ ...head, flags: Flag.QR | Rcode.SERVFAIL });
}
