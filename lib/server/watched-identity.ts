// One certificate and its key, read again when a file of theirs changes. Files that are not what they should be are told, and
// what was read before stays.
//
// Bounds: MAX_IDENTITY_BYTES a file; files are read when two looks in a row have seen the same: a key is not there yet,
// perhaps, when its certificate is.
import { isDeepStrictEqual } from 'node:util';
import type { SecureVersion } from 'node:tls';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { readRegularFile } from '../base/regular-file.js';
import { WatchedFile } from '../base/watched-file.js';
import type { CertificateSettings } from './settings/tls.js';
import { readIdentity, type TlsIdentity } from './tls-identity.js';

const MAX_IDENTITY_BYTES = 2 ** 20;
const DAY_SECONDS = 86_400;
/** Certificates of a year are renewed a month before their end, those of 90 days too (RFC 8555's clients). */
const WARN_DAYS = 30;

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

export interface IdentityTools {
  readonly clock: Clock;
  readonly log: Logger;
  /** Files were read again, or could not be used. */
  readonly counts: { reloads: number; failures: number };
}

export interface IdentityUse extends CertificateSettings {
  readonly minVersion: SecureVersion;
}

export class WatchedIdentity {
  #identity: TlsIdentity;
  readonly #certificate: WatchedFile<string>;
  readonly #key: WatchedFile<string>;
  /** What the last look has seen, where that is not in force. */
  #seen = '';
  #problem: string | undefined;
  #warnedDay: number | undefined;

  private constructor(
    readonly use: IdentityUse,
    identity: TlsIdentity,
    private readonly tools: IdentityTools,
  ) {
    this.#identity = identity;
    const watch = (path: string): WatchedFile<string> =>
      new WatchedFile(
        path,
        text => text,
        tools.clock,
        problem => this.#told(problem),
        MAX_IDENTITY_BYTES,
      );
    this.#certificate = watch(use.certificate);
    this.#key = watch(use.key);
  }

  /**
   * Reads the files.
   * @param before given back where it says the same, though it may have expired since: other settings have to be changed
   * then too
   * @throws {ShardnsError} ERR_SHARDNS_FILE naming the file and what is wrong with it
   */
  static read(use: IdentityUse, before: readonly WatchedIdentity[], tools: IdentityTools): WatchedIdentity {
    const textOf = (path: string) => ({ path, text: readRegularFile(path, MAX_IDENTITY_BYTES).text });
    const files = { certificate: textOf(use.certificate), key: textOf(use.key) };
    const same = before.find(one => isDeepStrictEqual([use, files], [one.use, one.identity.files]));
    return same ?? new WatchedIdentity(use, readIdentity(files, use, tools.clock.wallSeconds()), tools);
  }

  get identity(): TlsIdentity {
    return this.#identity;
  }
  get report(): CertificateReport {
    const { files, subject, names, fingerprint, notBeforeSeconds, notAfterSeconds } = this.#identity;
    return {
      file: files.certificate.path,
      subject,
      names,
      fingerprint,
      notBeforeSeconds,
      notAfterSeconds,
      daysLeft: this.#daysLeft,
      problem: this.#problem,
    };
  }

  /** It is in force, or so again: what was told is told anew. */
  begin(): void {
    this.#problem = undefined;
    this.#seen = '';
    this.#warnedDay = undefined;
    this.warn();
  }

  /** Looks at the files. @returns whether another certificate is in force */
  look(): boolean {
    const { files } = this.#identity;
    const certificate = { path: this.use.certificate, text: this.#certificate.value };
    const key = { path: this.use.key, text: this.#key.value };
    const seen = certificate.text + key.text;
    if (seen === files.certificate.text + files.key.text) {
      this.#problem = undefined;
      this.#seen = '';
      return false;
    }
    const isSteady = seen === this.#seen;
    this.#seen = seen;
    if (!isSteady) return false;
    try {
      this.#identity = readIdentity({ certificate, key }, this.use, this.tools.clock.wallSeconds());
    } catch (error) {
      this.#told(`${(error as Error).message}; the certificate of before stays`);
      return false;
    }
    this.#problem = undefined;
    this.#seen = '';
    this.#warnedDay = undefined;
    this.tools.counts.reloads++;
    const { names, notAfterSeconds } = this.#identity;
    const until = new Date(notAfterSeconds * 1000).toISOString();
    this.tools.log.info({ certificate: certificate.path, names, until }, 'the certificate was read again');
    return true;
  }

  /** Once a day, of an end that is near. */
  warn(): void {
    const daysLeft = this.#daysLeft;
    if (daysLeft > WARN_DAYS || daysLeft === this.#warnedDay) return;
    this.#warnedDay = daysLeft;
    const what = { certificate: this.use.certificate, daysLeft };
    if (daysLeft < 0) this.tools.log.error(what, 'the certificate has expired: clients that check it ask no more');
    else this.tools.log.warn(what, 'the certificate ends soon: renew it');
  }

  get #daysLeft(): number {
    return Math.floor((this.#identity.notAfterSeconds - this.tools.clock.wallSeconds()) / DAY_SECONDS);
  }

  #told(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.tools.counts.failures++;
    this.tools.log.error({ reason: problem }, 'the certificate is not read again');
  }
}
