// The native asker of upstream servers: its methods, and the records that it reads and writes.

/** Records of commands that an asker reads from its outbox: native/udp/ask_commands.h. */
export const AskCommand = { ask: 1, callOff: 2, forward: 3, takeOver: 4 } as const;
export const AskFlag = { keptLetters: 1, anyEntropy: 2, cookie: 4 } as const;
/** Places of a command's fields, and its octets; a question's message follows it, padded to 4. Native byte order. */
export const AskRecord = {
  command: 0,
  flags: 1,
  length: 2,
  number: 4,
  serial: 8,
  nowMs: 12,
  server: 16,
  octets: 40,
} as const;
/** A command that calls a question off ends where that one names its server. */
export const CALL_OFF_OCTETS = AskRecord.server;
/** Octets of a command that forwards a flight of the miss ring: the server's address is followed by the ticket. */
export const FORWARD_OCTETS = AskRecord.octets + 4;
/** Octets behind it where the query is to have a cookie: how many that has, and room for the longest. */
export const COOKIE_OCTETS = 44;
/** Octets of a server's address in a command. */
export const SERVER_ADDRESS = AskRecord.octets - AskRecord.server;
/** Records of events that it writes to its inbox: native/udp/event_buffer.h. */
export const AskEvent = {
  answered: 1,
  completed: 2,
  failed: 3,
  doubtLetters: 4,
  doubtQuestion: 5,
  doubtFlood: 6,
} as const;
/** Bits of the value of what was forwarded and completed (native/udp/forwarder.h). */
export const ForwardResult = { hasOpt: 1, denies: 2 } as const;
/** Places of an event's fields, and its octets; a response follows it, padded to 4. Native byte order. */
export const EventRecord = { kind: 0, length: 2, number: 4, serial: 8, value: 12, octets: 16 } as const;
/** The same of commands and of events by their words; those that share the first by their bits. Little-endian. */
export const CommandWord = {
  flagsShift: 8 * AskRecord.flags,
  lengthShift: 8 * AskRecord.length,
  number: AskRecord.number / 4,
  serial: AskRecord.serial / 4,
  nowMs: AskRecord.nowMs / 4,
  server: AskRecord.server / 4,
  ticket: AskRecord.octets / 4,
} as const;
export const EventWord = {
  lengthShift: 8 * EventRecord.length,
  number: EventRecord.number / 4,
  serial: EventRecord.serial / 4,
  value: EventRecord.value / 4,
} as const;
/** Values of a failure that are no errno. */
export const AskFailure = { noSocketAlone: -1, tooMany: -2, evicted: -3, malformed: -4 } as const;
/** Numbers of queries are below this. */
export const MAX_QUERIES = 65_536;
/** Octets that an inbox has at least: the longest response and its head. */
export const LEAST_INBOX = EventRecord.octets + 65_536;

/** Words of an asker's `stats`, in order. */
export const ASKER_STATS = [
  'sent',
  'received',
  'unknownId',
  'wrongQuestion',
  'socketsOpened',
  'sendCalls',
  'receiveCalls',
  'sockets',
  'underWay',
] as const;

export interface NativeAsker {
  /**
   * Does what the commands in the outbox say, and sends.
   * @returns whether something is to be received at once
   */
  flush(octets: number): boolean;
  /** Writes events to the inbox. @returns how many, plus MORE_WAIT when there are more */
  receive(): number;
  /** False for an address that this machine cannot have: it names an interface that is not there. */
  serverAddress(address: string, port: number, out: Uint8Array): boolean;
  /** Who hears of responses to what is forwarded, and writes its queries: a plane's `completion()`; undefined: nobody. */
  complete(completion: unknown): void;
  stats(out: Float64Array): void;
  close(): void;
}
