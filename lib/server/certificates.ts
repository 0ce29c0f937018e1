// The certificates that encrypted listeners show, and what they shake hands with. They are read at the start and with each
// change of the settings, and again when one of their files changes: new connections get the new one, those that are open
// stay. Of several a client is shown the one that is for the name it asks for (SNI), else the first.
//
// Bounds: as many as the settings have; files are looked at every LOOK_EVERY_MS.
import { isDeepStrictEqual } from 'node:util';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { endpointsOf } from './listeners/endpoint.js';
import { HandshakeRate } from './listeners/handshake-rate.js';
import type { TlsContext, TlsSource } from './listeners/tls-source.js';
import type { Prepared } from './prepared.js';
import type { ServerSettings } from './settings/settings.js';
import { certificatesOf, type TlsSettings } from './settings/tls.js';
import { readTicketSecret, TicketKeys, type TicketSecret } from './ticket-keys.js';
import { type CertificateReport, WatchedIdentity } from './watched-identity.js';

export type { CertificateReport };

const LOOK_EVERY_MS = 5000;
/** How long a session may be resumed: the day that its key lives is the end of it anyway. */
const SESSION_SECONDS = 7200;

interface InForce {
  readonly tls: TlsSettings;
  /** The first is for clients that ask for no name. */
  readonly identities: readonly WatchedIdentity[];
  readonly secret: TicketSecret | undefined;
}

export class Certificates implements TlsSource {
  readonly handshakes = { full: 0, resumed: 0, failed: 0, slow: 0, refused: 0 };
  /** Files that were read again, and those that could not be used. */
  readonly counts = { reloads: 0, failures: 0 };
  readonly rate: HandshakeRate;
  #inForce: InForce | undefined;
  /** Of settings that are about to be in force: listeners may be opened with it already. */
  #coming: InForce | undefined;
  readonly #tickets: TicketKeys;
  readonly #followers = new Set<(context: TlsContext) => void>();
  /** By the names that they are for, in lower case. */
  #byName = new Map<string, SecureContext>();
  #timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    this.rate = new HandshakeRate(clock, () => (this.#coming ?? this.#inForce)?.tls.handshakesPerSecond ?? 0);
    this.#tickets = new TicketKeys(clock, problem => {
      this.counts.failures++;
      log.error({ reason: problem }, 'the secret of session tickets is not read again');
    });
  }

  get handshakeTimeoutMs(): number {
    return (this.#coming ?? this.#inForce)!.tls.handshakeTimeoutMs;
  }
  /** Of each, in their order. */
  get reports(): CertificateReport[] {
    return this.#inForce?.identities.map(one => one.report) ?? [];
  }
  get isNamed(): boolean {
    return this.#byName.size > 0;
  }

  /** Undefined: the first one. */
  contextFor(name: string): SecureContext | undefined {
    const folded = name.toLowerCase().replace(/\.$/, '');
    // RFC 6125 section 6.4.3: the asterisk is the whole first label.
    return this.#byName.get(folded) ?? this.#byName.get(folded.replace(/^[^.]*/, '*'));
  }

  /**
   * Reads the files of settings to be used, where something is listened for that needs them.
   * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file and what is wrong with it
   */
  prepare(settings: ServerSettings): Prepared {
    const { tls } = settings;
    const isUsed = endpointsOf(settings).some(({ scheme }) => scheme !== 'plain');
    this.#coming = tls === undefined || !isUsed ? undefined : this.#read(tls);
    const next = this.#coming;
    return {
      commit: () => {
        this.#coming = undefined;
        const before = this.#inForce;
        if (next === before) return;
        this.#inForce = next;
        this.#timer?.cancel();
        if (next === undefined) return;
        for (const one of next.identities) if (!before?.identities.includes(one)) one.begin();
        this.#tell();
        this.#lookLater();
      },
      discard: () => {
        this.#coming = undefined;
        this.#tell();
      },
    };
  }

  /**
   * Calls `use` with what is in force, now and whenever that is another.
   * @returns ends it
   */
  follow(use: (context: TlsContext) => void): () => void {
    this.#followers.add(use);
    use(this.#contextOf(this.#coming ?? this.#inForce!));
    return () => void this.#followers.delete(use);
  }

  close(): void {
    this.#timer?.cancel();
    this.#followers.clear();
    this.#byName.clear();
    this.#tickets.close();
  }

  #read(tls: TlsSettings): InForce {
    const tools = { clock: this.clock, log: this.log, counts: this.counts };
    const { minVersion, tickets } = tls;
    const before = this.#inForce?.identities ?? [];
    const identities = certificatesOf(tls).map(one => WatchedIdentity.read({ ...one, minVersion }, before, tools));
    const secret = tickets.file === undefined ? undefined : readTicketSecret(tickets.file);
    const inForce = this.#inForce;
    const isSame =
      inForce !== undefined &&
      isDeepStrictEqual([tls, secret], [inForce.tls, inForce.secret]) &&
      identities.every((one, i) => one === before[i]);
    return isSame ? inForce : { tls, identities, secret };
  }

  /** What is shown by default; makes what is shown by name. */
  #contextOf({ tls, identities, secret }: InForce): TlsContext {
    this.#tickets.use(secret);
    const common = {
      minVersion: tls.minVersion,
      ticketKeys: this.#tickets.current,
      sessionTimeout: SESSION_SECONDS,
      // The same on all listeners, whatever the process was started with.
      sessionIdContext: 'shardns',
    };
    const of = ({ identity: { files } }: WatchedIdentity): TlsContext => {
      return { ...common, cert: files.certificate.text, key: files.key.text };
    };
    this.#byName = new Map();
    if (identities.length > 1) {
      const contexts = identities.map(one => createSecureContext(of(one)));
      // Those that the operator has given come first, and of the same name the first one.
      for (const names of [(at: number) => identities[at].use.names, (at: number) => identities[at].identity.names]) {
        contexts.forEach((context, at) => {
          for (const name of names(at).map(one => one.toLowerCase().replace(/\.$/, ''))) {
            if (!this.#byName.has(name)) this.#byName.set(name, context);
          }
        });
      }
    }
    return of(identities[0]);
  }

  #tell(): void {
    if (this.#inForce === undefined) return;
    const context = this.#contextOf(this.#inForce);
    for (const use of this.#followers) use(context);
  }

  #lookLater(): void {
    this.#timer = this.clock.after(LOOK_EVERY_MS, () => {
      try {
        this.#look();
      } catch (error) {
        this.log.error({ err: error }, 'the certificates were not looked at: this is a mistake of ours');
      }
      this.#lookLater();
    });
  }

  #look(): void {
    if (this.#inForce === undefined) return;
    let isOther = false;
    for (const one of this.#inForce.identities) {
      if (one.look()) isOther = true;
      one.warn();
    }
    if (this.#tickets.changed()) {
      isOther = true;
      // What the file says now is what is in force.
      const { secret } = this.#tickets;
      this.#inForce = { ...this.#inForce, secret };
    }
    if (isOther) this.#tell();
  }
}
