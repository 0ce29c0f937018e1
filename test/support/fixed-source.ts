// Records of a service without DNS: endpoints on loopback, as a test lists them.
import type { Answer, RecordSource } from '../../lib/discovery/records/source.js';
import { Type } from '../../lib/wire/iana.js';
import { encodeRecord } from '../../lib/wire/record.js';

export interface Listed {
  readonly name: string;
  readonly port: number;
  readonly priority?: number;
  readonly weight?: number;
  /** 127.0.0.1, if not given. */
  readonly address?: string;
}

/** @param list asked at each look */
export function fixedSource(list: () => readonly Listed[], ttl = 1): RecordSource {
  return {
    proves: false,
    ask: (name, type): Answer => {
      const listed = type === Type.SRV ? list() : [];
      return {
        missing: listed.length === 0,
        answers: listed.map(({ name: host, port, priority = 0, weight = 1 }) =>
          encodeRecord({ name, type: 'SRV', ttl, data: `${priority} ${weight} ${port} ${host}.example.` }),
        ),
        authorities: [],
        additionals: listed.map(({ name: host, address = '127.0.0.1' }) =>
          encodeRecord({ name: `${host}.example`, type: 'A', ttl, data: address }),
        ),
        unproven: undefined,
      };
    },
    sort: addresses => [...addresses],
  };
}
