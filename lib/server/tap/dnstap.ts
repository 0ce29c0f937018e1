// dnstap: each reply with its client and times, as frames for whoever takes them.
//
// Bound: that of FrameStream.
import { maskedOctets } from '../../base/address.js';
import type { Logger } from '../../base/log.js';
import type { DnstapClients } from '../settings/observation.js';
import { dnstapMessage, type DnstapSource } from './dnstap-message.js';
import { FrameStream, type FrameStats, type FrameStreamParts, type FrameTarget } from './frame-stream.js';
import type { TapRecord, Watcher } from './record.js';

export interface DnstapOptions {
  readonly target: FrameTarget;
  /** For the log. */
  readonly to: string;
  readonly identity: string;
  readonly version: string;
  readonly clients: DnstapClients;
}

const NONE = new Uint8Array(0);

export class Dnstap implements Watcher {
  readonly wantsReplies = true;
  readonly #stream: FrameStream;
  readonly #source: DnstapSource;

  constructor(
    private readonly options: DnstapOptions,
    { clock, random, log }: Omit<FrameStreamParts, 'failed'> & { readonly log: Logger },
  ) {
    const { target, to, identity, version } = options;
    this.#source = { identity: Buffer.from(identity), version: Buffer.from(version) };
    const failed = (reason: string): void => log.warn({ to, reason }, 'dnstap: nobody takes what is told, which waits');
    this.#stream = new FrameStream(target, 'protobuf:dnstap.Dnstap', { clock, random, failed });
  }

  get stats(): FrameStats & { isOpen: boolean } {
    return { ...this.#stream.stats, isOpen: this.#stream.isOpen };
  }

  take(record: TapRecord): void {
    this.#stream.send(dnstapMessage(record, this.#clientOf(record.parts.client), this.#source));
  }

  /** Never rejects. */
  close(): Promise<void> {
    return this.#stream.close();
  }

  #clientOf(client: Uint8Array): Uint8Array {
    if (this.options.clients === 'off') return NONE;
    return this.options.clients === 'full' ? client : maskedOctets(client, client.length === 4 ? 24 : 56);
  }
}
