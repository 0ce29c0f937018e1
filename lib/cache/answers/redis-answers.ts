// Answers in Redis, for all instances of a fleet: which are shared and for how long, under which key, and what of what comes
// back is believed. Behind the Redis of one's own region those of others may be asked: an answer that one of them has is
// taken over, none is ever sent there.
//
// A key is of the name in lower case, type, class, DO and CD, and of the rules that answers are judged by: instances with
// other rules have other keys. A body is the message without its OPT.
//
// Not shared: what lives less than `minTtlSeconds`, failures, and whatever the resolver does not give.
import type { Clock } from '../../base/clock.js';
import { ageTtls } from '../../wire/aged.js';
import { headerRcode, isTruncated } from '../../wire/flags.js';
import { HEADER_SIZE, MAX_MESSAGE_SIZE, MAX_NAME_SIZE, Rcode } from '../../wire/iana.js';
import { questionEnd } from '../../wire/message.js';
import { foldedOctet } from '../../wire/name.js';
import type { Query } from '../../wire/query.js';
import { word } from '../../wire/record-walk.js';
import { withoutOpt } from '../../wire/without-opt.js';
import type { Forgotten } from '../forgotten.js';
import { type Frame, FrameKind } from '../redis/frame.js';
import type { LevelReader, RedisLevel } from '../redis/level.js';
import type { LogFollower } from '../redis/log-reader.js';
import { Invalidated } from './invalidated.js';
import { itemOf, readItem } from './invalidation-item.js';
import type { SecondLevel, SharedAnswer, SharedDetails, SharedReader } from './second-level.js';

const FrameFlag = { negative: 1, adUnknown: 2, own: 4 } as const;

export interface AnswerLimits {
  hedgeMs: number;
  /** Less is not worth the trouble. */
  minTtlSeconds: number;
  maxTtlSeconds: number;
  negativeMaxTtlSeconds: number;
  /** How long an expired answer may be of use. */
  staleSeconds: number;
}

/** What of the settings answers depend on. */
export interface AnswerRules {
  /** 8 octets: instances with other ones find nothing of each other. */
  readonly epoch: Uint8Array;
  /** Answers are validated here: of others only those are believed that are sealed. */
  readonly validates: boolean;
}

/** Another region's Redis, which is read only. */
export interface Region {
  readonly name: string;
  readonly level: RedisLevel;
  /** Whether it is near enough to be asked before upstreams. */
  isNear(): boolean;
  deadlineMs: number;
}

export interface AnswersOwner {
  /** Since when what is in the cache was put there, by the monotonic clock: what was invalidated before is not in it. */
  readonly sinceMs: number;
  /** Somebody else has invalidated it. Must not throw. */
  forget(what: Forgotten): void;
  /** Whether what others invalidate is known here. Must not throw. */
  following(follows: boolean): void;
}

/** Why an answer that was found was not taken. */
type Refusal = 'question' | 'invalidated' | 'untrusted' | 'unusable' | 'adUnknown';

export class RedisAnswers implements SecondLevel {
  readonly stats = {
    reads: 0,
    hits: 0,
    staleHits: 0,
    regionReads: 0,
    regionHits: 0,
    stores: 0,
    tooShort: 0,
    forgotten: 0,
  };
  readonly refused: Record<Refusal, number> = { question: 0, invalidated: 0, untrusted: 0, unusable: 0, adUnknown: 0 };
  readonly invalidated = new Invalidated();
  limits: AnswerLimits;
  rules: AnswerRules;
  readonly #clock: Clock;
  readonly #owner: AnswersOwner;
  #level!: RedisLevel;
  #regions: readonly Region[] = [];
  /** Of whose logs it is known that they are followed. */
  readonly #following = new Map<string, boolean>();
  readonly #asked = new Uint8Array(MAX_NAME_SIZE + 5 + 8);

  constructor(clock: Clock, owner: AnswersOwner, limits: AnswerLimits, rules: AnswerRules) {
    this.#clock = clock;
    this.#owner = owner;
    this.limits = limits;
    this.rules = rules;
  }

  /** Once, before anything is read: levels are made with the followers that `followerOf` gives. */
  use(level: RedisLevel, regions: readonly Region[]): void {
    this.#level = level;
    this.#regions = regions;
  }
  get level(): RedisLevel {
    return this.#level;
  }
  get regions(): readonly Region[] {
    return this.#regions;
  }
  get hedgeMs(): number {
    return this.limits.hedgeMs;
  }

  /** @param levelOf that it is of, asked for when it is told something @param name of the region; '' for one's own */
  followerOf(name: string, levelOf: () => RedisLevel): LogFollower {
    this.#following.set(name, false);
    const here = (thereMs: number): number => this.#clock.nowMs() + levelOf().leftMs(thereMs);
    return {
      invalidated: (item, atMs, own) => {
        const what = readItem(item);
        if (what === undefined) return;
        const ms = here(atMs);
        // Read by the log's own connection it may come before the time is known: then nothing is believed yet.
        this.invalidated.note(what, Number.isNaN(ms) ? this.#clock.nowMs() : ms);
        if (own || ms < this.#owner.sinceMs) return;
        this.stats.forgotten++;
        this.#owner.forget(what);
      },
      missed: beforeMs => {
        const ms = here(beforeMs);
        this.invalidated.before(Number.isNaN(ms) ? this.#clock.nowMs() : ms);
        if (ms < this.#owner.sinceMs) return;
        this.stats.forgotten++;
        this.#owner.forget('all');
      },
      following: follows => {
        const before = this.follows;
        this.#following.set(name, follows);
        if (this.follows !== before) this.#owner.following(this.follows);
      },
    };
  }

  /** Whether every log is followed. */
  get follows(): boolean {
    return [...this.#following.values()].every(Boolean);
  }

  /** For all instances; here it has been forgotten already. */
  invalidate(what: Forgotten): void {
    this.invalidated.note(what, this.#clock.nowMs());
    this.#level.writer.say(itemOf(what));
  }

  read(query: Query, reader: SharedReader): boolean {
    this.stats.reads++;
    const key = this.#keyOf(query);
    const region = this.#regions.length === 0 ? undefined : this.#regions.find(one => one.isNear());
    return (
      this.#ask(query, key, { level: this.#level, next: region, reader }) || this.#askRegion(query, key, region, reader)
    );
  }

  #ask(
    query: Query,
    key: Buffer,
    asked: { level: RedisLevel; next: Region | undefined; reader: SharedReader },
  ): boolean {
    const { level, next, reader } = asked;
    return level.read(key, FrameKind.answer, new AnswerReader(this, { query, key, level, next, reader }));
  }
  #askRegion(query: Query, key: Buffer, region: Region | undefined, reader: SharedReader): boolean {
    if (region === undefined || !this.#ask(query, key, { level: region.level, next: undefined, reader })) return false;
    this.stats.regionReads++;
    reader.farther(region.deadlineMs);
    return true;
  }
  /** @internal */
  found(frame: Frame, asked: AskedOf): void {
    const { query, key, level, reader } = asked;
    // Before it is read: its body is the reader's then.
    const isNews = level !== this.#level;
    const body = isNews ? Buffer.from(frame.body) : undefined;
    const answer = this.#judge(query, frame, level);
    if (answer === undefined) {
      this.goOn(asked);
      return;
    }
    if (body !== undefined) this.#takeOver(key, frame, body, level);
    this.stats[answer.remainingSeconds <= 0 ? 'staleHits' : level === this.#level ? 'hits' : 'regionHits']++;
    reader.found(answer);
  }
  /** Where nothing was found: another region, or nobody. @internal */
  goOn({ query, key, next, reader }: AskedOf): void {
    if (!this.#askRegion(query, key, next, reader)) reader.absent();
  }

  /** Another region's, for those of this one too: it ends here when it ends there. */
  #takeOver(
    key: Buffer,
    { storedMs, expiresMs, staleUntilMs, kind, flags, epoch }: Frame,
    body: Buffer,
    from: RedisLevel,
  ): void {
    const now = this.#clock.nowMs();
    const here = (thereMs: number): number => now + from.leftMs(thereMs);
    const times = { storedMs: here(storedMs), expiresMs: here(expiresMs), staleUntilMs: here(staleUntilMs) };
    this.#level.write(key, times, { kind, flags, epoch }, body);
  }

  store(query: Query, message: Uint8Array, { askedMs, livesMs, adUnknown, own }: SharedDetails): void {
    const { minTtlSeconds, maxTtlSeconds, negativeMaxTtlSeconds, staleSeconds } = this.limits;
    const isNegative = headerRcode(message) === Rcode.NXDOMAIN || word(message, 6) === 0;
    const most = isNegative ? Math.min(maxTtlSeconds, negativeMaxTtlSeconds) : maxTtlSeconds;
    const lives = Math.min(livesMs, most * 1000);
    if (lives < minTtlSeconds * 1000 || isTruncated(message) || !isShared(headerRcode(message))) {
      this.stats.tooShort++;
      return;
    }
    const body = withoutOpt(message);
    if (body === undefined) return;
    this.stats.stores++;
    const expiresMs = this.#clock.nowMs() + lives;
    const flags =
      (isNegative ? FrameFlag.negative : 0) | (adUnknown ? FrameFlag.adUnknown : 0) | (own ? FrameFlag.own : 0);
    this.#level.write(
      this.#keyOf(query),
      { storedMs: askedMs, expiresMs, staleUntilMs: expiresMs + staleSeconds * 1000 },
      { kind: FrameKind.answer, flags, epoch: 0 },
      body,
    );
  }

  unusable(): void {
    this.refused.unusable++;
  }

  #judge(query: Query, frame: Frame, level: RedisLevel): SharedAnswer | undefined {
    const { body, flags, storedMs, expiresMs } = frame;
    const adUnknown = (flags & FrameFlag.adUnknown) !== 0;
    const askedMs = this.#clock.nowMs() + level.leftMs(storedMs);
    const refusal: Refusal | undefined = !isOfQuestion(body, query)
      ? 'question'
      : this.rules.validates && !frame.sealed
        ? 'untrusted'
        : adUnknown && query.authenticData
          ? 'adUnknown'
          : this.invalidated.covers(query.name, askedMs)
            ? 'invalidated'
            : undefined;
    if (refusal !== undefined) {
      this.refused[refusal]++;
      return undefined;
    }
    const ageSeconds = Math.max(0, -level.leftMs(storedMs) / 1000);
    const remainingSeconds = Math.min(level.leftMs(expiresMs) / 1000, this.limits.maxTtlSeconds);
    // A part of what was received, and nobody else's.
    const message = body;
    // It was some time on its way before it was stored; that counts as age, too much rather than too little. What has
    // expired is told with a TTL of its own.
    if (remainingSeconds > 0) ageTtls(message, Math.floor(ageSeconds));
    return {
      message,
      remainingSeconds,
      ageSeconds,
      adUnknown,
      own: (flags & FrameFlag.own) !== 0,
    };
  }

  #keyOf(query: Query): Buffer {
    const asked = this.#asked;
    const { name, type, dnsClass } = query;
    asked.set(name);
    let at = name.length;
    asked[at++] = type >> 8;
    asked[at++] = type & 0xff;
    asked[at++] = dnsClass >> 8;
    asked[at++] = dnsClass & 0xff;
    asked[at++] = (query.dnssecOk ? 1 : 0) | (query.checkingDisabled ? 2 : 0);
    asked.set(this.rules.epoch, at);
    return this.#level.keys.of(asked, at + 8);
  }
}

/** One read, and what is asked where it finds nothing. */
interface AskedOf {
  readonly query: Query;
  readonly key: Buffer;
  readonly level: RedisLevel;
  readonly next: Region | undefined;
  readonly reader: SharedReader;
}

class AnswerReader implements LevelReader {
  constructor(
    private readonly answers: RedisAnswers,
    private readonly asked: AskedOf,
  ) {}
  found(frame: Frame): void {
    this.answers.found(frame, this.asked);
  }
  absent(): void {
    this.answers.goOn(this.asked);
  }
  unread(): void {
    this.answers.goOn(this.asked);
  }
}

const isShared = (rcode: number): boolean => rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN;

/** Whether the message is a response to just this question. */
function isOfQuestion(message: Uint8Array, { name, type, dnsClass }: Query): boolean {
  if (message.length > MAX_MESSAGE_SIZE) return false;
  const end = questionEnd(message);
  if (end !== HEADER_SIZE + name.length + 4) return false;
  if (word(message, end - 4) !== type || word(message, end - 2) !== dnsClass) return false;
  for (let i = 0; i < name.length; i++) if (foldedOctet(message[HEADER_SIZE + i]) !== name[i]) return false;
  return true;
}
