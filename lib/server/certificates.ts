// The certificate that encrypted listeners show, and what they shake hands with. It is read at the start and with each change
// of the settings, and again when one of its files changes: new connections get the new one, those that are open stay. Files
// that are not what they should be are told, and what was read before stays.
//
// Tickets of sessions (RFC 8446 section 4.6.1) are sealed with a key that is drawn anew every day, the same on all listeners,
// so that a client that comes back pays no whole handshake.
//
// Bounds: MAX_BYTES a file; files are looked at every LOOK_EVERY_MS, and read when two looks in a row have seen the same: a
// key is not there yet, perhaps, when its certificate is.
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { readRegularFile } from '../base/regular-file.js';
import { WatchedFile } from '../base/watched-file.js';
import { endpointsOf } from './listeners/endpoint.js';
import type { TlsContext, TlsSource } from './listeners/tls-source.js';
import type { Prepared } from './prepared.js';
import type { ServerSettings } from './settings/settings.js';
import type { TlsSettings } from './settings/tls.js';
import { readIdentity, type TlsIdentity } from './tls-identity.js';

const MAX_BYTES = 2 ** 20;
const LOOK_EVERY_MS = 5000;
const DAY_SECONDS = 86_400;
/** Certificates of a year are renewed a month before their end, those of 90 days too (RFC 8555's clients). */
const WARN_DAYS = 30;
const TICKET_KEY_OCTETS = 48;
/** How long a session may be resumed: the day that its key lives is the end of it anyway. */
const SESSION_SECONDS = 7200;

export interface CertificateReport {
  readonly file: string;
  readonly subject: string;
  readonly names: readonly string[];
  /** SHA-256 of the certificate, in hexadecimal digits. */
  readonly fingerprint: string;
  /** Unix times in seconds. */
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
  /** Until its end, rounded down; negative after it. */
  readonly daysLeft: number;
  /** Why the files as they are now are not used. */
  readonly problem?: string;
}

interface InForce {
  readonly tls: TlsSettings;
  readonly identity: TlsIdentity;
  readonly watched: { readonly certificate: WatchedFile<string>; readonly key: WatchedFile<string> };
}

export class Certificates implements TlsSource {
  readonly handshakes = { full: 0, resumed: 0, failed: 0, slow: 0 };
  /** Files that were read again, and those that could not be used. */
  reloads = 0;
  failures = 0;
  #inForce: InForce | undefined;
  /** Of settings that are about to be in force: listeners may be opened with it already. */
  #coming: InForce | undefined;
  #ticketKeys: Buffer | undefined;
  #ticketKeysSinceMs = 0;
  readonly #followers = new Set<(context: TlsContext) => void>();
  #timer: Timer | undefined;
  /** What the last look has seen, where that is not in force. */
  #seen = '';
  #problem: string | undefined;
  #warnedDay: number | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  get handshakeTimeoutMs(): number {
    return (this.#coming ?? this.#inForce)!.tls.handshakeTimeoutMs;
  }
  get report(): CertificateReport | undefined {
    if (this.#inForce === undefined) return undefined;
    const { files, subject, names, fingerprint, notBeforeSeconds, notAfterSeconds } = this.#inForce.identity;
    return {
      file: files.certificate.path,
      subject,
      names,
      fingerprint,
      notBeforeSeconds,
      notAfterSeconds,
      daysLeft: this.#daysLeft(notAfterSeconds),
      problem: this.#problem,
    };
  }

  /**
   * Reads the files of settings to be used, where something is listened for that needs them. What is in force stays where
   * they say the same, though it may have expired since: other settings have to be changed then too.
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
        if (next === this.#inForce) return;
        this.#inForce = next;
        this.#problem = undefined;
        this.#seen = '';
        this.#warnedDay = undefined;
        this.#timer?.cancel();
        if (next === undefined) return;
        this.#tell();
        this.#warn();
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
    use(this.#context(this.#coming ?? this.#inForce!));
    return () => void this.#followers.delete(use);
  }

  close(): void {
    this.#timer?.cancel();
    this.#followers.clear();
    this.#ticketKeys = undefined;
  }

  #read(tls: TlsSettings): InForce {
    const textOf = (path: string): { path: string; text: string } => ({
      path,
      text: readRegularFile(path, MAX_BYTES).text,
    });
    const files = { certificate: textOf(tls.certificate), key: textOf(tls.key) };
    const before = this.#inForce;
    if (before !== undefined && isDeepStrictEqual([tls, files], [before.tls, before.identity.files])) return before;
    const identity = readIdentity(files, tls, this.clock.wallSeconds());
    const watch = (path: string): WatchedFile<string> =>
      new WatchedFile(
        path,
        text => text,
        this.clock,
        problem => this.#told(problem),
        MAX_BYTES,
      );
    return { tls, identity, watched: { certificate: watch(tls.certificate), key: watch(tls.key) } };
  }

  #context({ tls, identity }: InForce): TlsContext {
    if (this.#ticketKeys === undefined) this.#drawTicketKeys();
    const { certificate, key } = identity.files;
    return {
      cert: certificate.text,
      key: key.text,
      minVersion: tls.minVersion,
      ticketKeys: this.#ticketKeys,
      sessionTimeout: SESSION_SECONDS,
      // The same on all listeners, whatever the process was started with.
      sessionIdContext: 'shardns',
    };
  }

  #tell(): void {
    if (this.#inForce === undefined) return;
    const context = this.#context(this.#inForce);
    for (const use of this.#followers) use(context);
  }

  #drawTicketKeys(): void {
    this.#ticketKeys = randomBytes(TICKET_KEY_OCTETS);
    this.#ticketKeysSinceMs = this.clock.nowMs();
  }

  #lookLater(): void {
    this.#timer = this.clock.after(LOOK_EVERY_MS, () => {
      try {
        this.#look();
      } catch (error) {
        this.log.error({ err: error }, 'the certificate was not looked at: this is a mistake of ours');
      }
      this.#lookLater();
    });
  }

  #look(): void {
    if (this.#inForce === undefined) return;
    this.#lookAtFiles(this.#inForce);
    this.#warn();
    if (this.clock.nowMs() - this.#ticketKeysSinceMs < DAY_SECONDS * 1000) return;
    this.#drawTicketKeys();
    this.#tell();
  }

  #lookAtFiles({ tls, identity, watched }: InForce): void {
    const certificate = { path: tls.certificate, text: watched.certificate.value };
    const key = { path: tls.key, text: watched.key.value };
    const seen = certificate.text + key.text;
    if (seen === identity.files.certificate.text + identity.files.key.text) {
      this.#problem = undefined;
      this.#seen = '';
      return;
    }
    const isSteady = seen === this.#seen;
    this.#seen = seen;
    if (!isSteady) return;
    try {
      const next = readIdentity({ certificate, key }, tls, this.clock.wallSeconds());
      this.#inForce = { tls, identity: next, watched };
    } catch (error) {
      this.#told(`${(error as Error).message}; the certificate of before stays`);
      return;
    }
    this.#problem = undefined;
    this.#seen = '';
    this.#warnedDay = undefined;
    this.reloads++;
    this.#tell();
    const { names, notAfterSeconds } = this.#inForce.identity;
    const until = new Date(notAfterSeconds * 1000).toISOString();
    this.log.info({ certificate: tls.certificate, names, until }, 'the certificate was read again');
  }

  #told(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.failures++;
    this.log.error({ reason: problem }, 'the certificate is not read again');
  }

  #daysLeft(notAfterSeconds: number): number {
    return Math.floor((notAfterSeconds - this.clock.wallSeconds()) / DAY_SECONDS);
  }

  /** Once a day. */
  #warn(): void {
    const { tls, identity } = this.#inForce!;
    const daysLeft = this.#daysLeft(identity.notAfterSeconds);
    if (daysLeft > WARN_DAYS || daysLeft === this.#warnedDay) return;
    this.#warnedDay = daysLeft;
    const what = { certificate: tls.certificate, daysLeft };
    if (daysLeft < 0) this.log.error(what, 'the certificate has expired: clients that check it ask no more');
    else this.log.warn(what, 'the certificate ends soon: renew it');
  }
}
