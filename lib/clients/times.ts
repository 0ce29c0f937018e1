// Hours of the week in which a list holds: by the clock of a time zone, whose days of 23 and 25 hours are as its clocks show
// them.

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

export interface Hours {
  /** On which they begin; none: on each. */
  days: readonly Weekday[];
  /** "21:00" */
  from: string;
  /** "24:00" is the day's end; one that is not after `from` is of the next day. */
  to: string;
}

const MINUTES_A_DAY = 1440;

/** Minutes since midnight; undefined for what is no time of a day. */
export function minutesOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  if (hours === undefined) return undefined;
  const all = Number(hours) * 60 + Number(minutes);
  return all > MINUTES_A_DAY ? undefined : all;
}

/** Whether there is a time zone of that name (IANA). */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** What the clocks of a time zone show. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  readonly timeZone: string;

  /** @param timeZone undefined: the system's */
  constructor(timeZone: string | undefined) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    this.timeZone = this.#format.resolvedOptions().timeZone;
  }

  /** @param wallSeconds Unix time */
  at(wallSeconds: number): { day: number; minutes: number } {
    const parts = new Map(this.#format.formatToParts(wallSeconds * 1000).map(({ type, value }) => [type, value]));
    const day = WEEKDAYS.indexOf((parts.get('weekday') ?? '').toLowerCase() as Weekday);
    return { day, minutes: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
  }
}

/** Whether one of them holds; none: always. */
export function holdsAt(hours: readonly Hours[], { day, minutes }: { day: number; minutes: number }): boolean {
  if (hours.length === 0) return true;
  return hours.some(({ days, from, to }) => {
    const begin = minutesOf(from)!;
    const end = minutesOf(to)!;
    const beginsOn = (one: number): boolean => days.length === 0 || days.includes(WEEKDAYS[(one + 7) % 7]);
    if (begin < end) return beginsOn(day) && minutes >= begin && minutes < end;
    return (beginsOn(day) && minutes >= begin) || (beginsOn(day - 1) && minutes < end);
  });
}

/** "mon, tue 21:00 to 07:00" */
export const hoursText = (hours: readonly Hours[]): string =>
  hours.map(({ days, from, to }) => `${days.length === 0 ? '' : `${days.join(', ')} `}${from} to ${to}`).join('; ');
