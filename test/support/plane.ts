// A native plane that nobody answers for: tests drain it themselves.
import type { Engine } from '../../lib/cache/engine.js';
import {
  binding,
  FlightRecord,
  MORE_WAIT,
  type NativePlane,
  type PlaneStats,
  readPlaneStats,
} from '../../lib/native/binding.js';

export interface BarePlane {
  native: NativePlane;
  port: number;
  stats(): PlaneStats;
  /** Tickets of the flights that have not been drained yet, oldest first. */
  flights(): number[];
}

export function createPlane(
  engine: Engine,
  ring: { flights: number; waiters: number; clientFlights?: number; clientWaiters?: number },
): BarePlane {
  const native = binding().createPlane(
    engine.native,
    {
      endpoints: ['127.0.0.1', 0],
      threads: 1,
      pin: 0,
      gate: binding().createGate({ seedHigh: 1, seedLow: 2 }),
      receiveBufferBytes: 4 << 20,
      clientFlights: ring.flights,
      clientWaiters: ring.waiters,
      ...ring,
    },
    () => undefined,
  );
  const records = Buffer.alloc(256 * (FlightRecord.octets + 512));
  native.registerDrain(records);
  native.start();
  return {
    native,
    port: native.ports()[0],
    stats: () => readPlaneStats(native),
    flights() {
      const tickets: number[] = [];
      for (let more = true; more;) {
        const result = native.drain(256);
        more = (result & MORE_WAIT) !== 0;
        for (let i = 0, at = 0; i < (result & ~MORE_WAIT); i++) {
          tickets.push(records.readUInt32LE(at + FlightRecord.ticket));
          at += (FlightRecord.octets + records.readUInt16LE(at + FlightRecord.length) + 3) & ~3;
        }
      }
      return tickets;
    },
  };
}
