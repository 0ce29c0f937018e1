// Names of the measurements, and upstreams that answer for all of them, or for none.
import { encodeQuestion } from '../../dist/wire/message.js';
import { encodeName } from '../../dist/wire/name.js';

export const nameOf = i => `host-${i}.bench.example`;

/** With AD, as dnsperf asks: what was asked for without it is not told to those who ask with it. */
export const makeQuestion = name =>
  encodeQuestion({ id: 1, flags: 0x0120, question: { name: encodeName(name), type: 1, dnsClass: 1 } });

/** Answers every question with one address, at once. */
export function wildUpstream() {
  const transport = {
    ask(query, _, __, listener) {
      let end = 12;
      while (query[end] !== 0) end += 1 + query[end];
      end += 5;
      const response = Buffer.alloc(end + 16);
      response.set(query.subarray(0, end));
      response.writeUInt16BE(0x8180, 2);
      response.writeUInt16BE(1, 6);
      response.writeUInt32BE(0, 8);
      response.set([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1], end);
      const exchange = { callOff() {} };
      void Promise.resolve().then(() => listener.answered(response, exchange));
      return exchange;
    },
    close() {},
  };
  return { udpTransport: transport, tcpTransport: transport };
}

/** Answers nothing. */
export function silentUpstream() {
  const transport = { ask: () => ({ callOff() {} }), close() {} };
  return { udpTransport: transport, tcpTransport: transport };
}
