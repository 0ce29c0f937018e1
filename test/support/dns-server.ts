// A DNS server on loopback for tests: UDP and TCP, answering from records given as dns-packet takes them.
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import dnsPacket from 'dns-packet';
import { frame, MessageReader } from '../../lib/transport/framing.js';
import { makeResponse, type Records, soa } from './messages.js';

type Name = Record<string, NonNullable<Records>>;

export class DnsServer {
  readonly asked: { name: string; type: string }[] = [];
  /** Names that get this rcode, or silence. */
  readonly failing = new Map<string, number | 'silence'>();
  port = 0;
  #udp: Socket = createSocket('udp4');
  readonly #tcp: Server = createServer(socket => {
    const reader = new MessageReader();
    socket.on('error', () => {});
    socket.on('data', chunk => {
      for (const message of reader.push(chunk)) {
        const reply = this.#reply(message);
        if (reply) socket.write(frame(reply));
      }
    });
  });

  /** @param names lower-case name -> type -> records */
  constructor(public names: Record<string, Name>) {}

  static async start(names: Record<string, Name>): Promise<DnsServer> {
    const server = new DnsServer(names);
    // The port that UDP is given may be somebody's over TCP: then another is drawn.
    while (!(await server.#listen()));
    return server;
  }

  async #listen(): Promise<boolean> {
    const udp = createSocket('udp4');
    this.#udp = udp;
    udp.on('message', (message, from) => {
      const reply = this.#reply(message);
      if (reply) udp.send(reply, from.port, from.address);
    });
    await new Promise<void>(resolve => udp.bind(0, '127.0.0.1', resolve));
    this.port = udp.address().port;
    const listening = await new Promise<boolean>(resolve => {
      this.#tcp.once('error', () => resolve(false));
      this.#tcp.listen(this.port, '127.0.0.1', () => resolve(true));
    });
    if (!listening) udp.close();
    return listening;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }
  countOf(name: string, type?: string): number {
    return this.asked.filter(one => one.name === name && (type === undefined || one.type === type)).length;
  }

  #reply(message: Uint8Array): Buffer | undefined {
    const [question] = dnsPacket.decode(Buffer.from(message)).questions!;
    const name = question.name.toLowerCase();
    this.asked.push({ name, type: question.type });
    const failing = this.failing.get(name);
    if (failing === 'silence') return undefined;
    if (failing !== undefined) return makeResponse(message, { rcode: failing });
    const answers: NonNullable<Records> = [];
    for (let at: string | undefined = name; at !== undefined;) {
      const records: Name | undefined = this.names[at];
      if (records === undefined) {
        if (at === name) return makeResponse(message, { rcode: 3, authorities: [soa('example', 60)] });
        break;
      }
      const wanted =
        (question.type as string) === 'ANY' ? Object.values(records).flat() : (records[question.type] ?? []);
      const alias: NonNullable<Records> = wanted.length > 0 ? [] : (records.CNAME ?? []);
      answers.push(...wanted, ...alias);
      at = alias.length > 0 ? (alias[0] as { data: string }).data.toLowerCase() : undefined;
    }
    return makeResponse(message, answers.length > 0 ? { answers } : { authorities: [soa('example', 60)] });
  }

  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }
}
