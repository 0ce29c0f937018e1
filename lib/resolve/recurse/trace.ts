// The steps of a resolution, for people to read.

export interface TraceEvent {
  /** Milliseconds by the resolver's clock. */
  atMs: number;
  /** Resolutions inside resolutions; 0 = the query itself. */
  depth: number;
  kind: 'cache' | 'zone' | 'ask' | 'answer' | 'referral' | 'alias' | 'lame' | 'failure' | 'server';
  text: string;
}
