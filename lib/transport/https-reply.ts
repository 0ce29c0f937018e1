// What a server says on one stream of HTTP/2 (RFC 8484 section 4.2): whether it is a DNS message, and its octets.
//
// Bound: that of MessageBody; the stream is called off when more comes.
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import { ageTtls } from '../wire/aged.js';
import { MAX_MESSAGE_SIZE } from '../wire/iana.js';
import { MessageBody } from '../wire/message-body.js';

const MEDIA_TYPE = /^\s*application\/dns-message\s*(?:;|$)/i;
/** RFC 9113 section 7. */
export const NO_ERROR = 0;
const CANCEL = 8;

export class HttpsReply {
  /** Why it is no DNS message. */
  problem: string | undefined;
  #isMessage = false;
  #ageSeconds = 0;
  #length: number | undefined;
  #ended = false;
  readonly #body = new MessageBody();

  /** @param heard called with each thing that comes */
  constructor(
    readonly stream: ClientHttp2Stream,
    private readonly heard: () => void,
  ) {
    // How it ended is told by its code.
    stream.on('error', () => {});
    stream.on('response', headers => this.#onHeaders(headers));
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => {
      this.#ended = true;
    });
  }

  /** Good where the stream ended without an error. */
  get isWhole(): boolean {
    const isCutOff = this.#length !== undefined && this.#length !== this.#body.octets;
    return this.#isMessage && this.#ended && this.#body.octets > 0 && !isCutOff;
  }

  message(): Uint8Array {
    const message = Uint8Array.from(this.#body.message);
    // RFC 8484 section 5.1: what has lain in caches of HTTP is as old as they say.
    if (this.#ageSeconds > 0) ageTtls(message, this.#ageSeconds);
    return message;
  }

  #onHeaders(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    this.heard();
    const { ':status': status = 0, 'content-type': type = '', 'content-length': length, age } = headers;
    // A redirection is not followed: who it leads to has proved nothing.
    if (status < 200 || status > 299) this.#refuse(`it answered with HTTP status ${status}`);
    else if (!MEDIA_TYPE.test(type))
      this.#refuse(`it answered with ${JSON.stringify(type.slice(0, 100))}, which is no DNS message`);
    else this.#isMessage = true;
    if (length !== undefined) this.#length = Number(length);
    if (age !== undefined && /^\d{1,10}$/.test(age)) this.#ageSeconds = Number(age);
  }

  #onData(chunk: Buffer): void {
    this.heard();
    if (this.problem !== undefined) return;
    this.#body.add(chunk);
    if (this.#body.isTooLong) this.#refuse(`its response is longer than ${MAX_MESSAGE_SIZE} octets`);
  }

  #refuse(why: string): void {
    this.problem = why;
    this.#body.clear();
    this.stream.close(CANCEL);
  }
}
