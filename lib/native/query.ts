// What the native parser reads out of a query.

/** What the native parser makes of a query: native/wire/question.h. */
export const QueryVerdict = {
  answer: 0,
  drop: 1,
  formErr: 2,
  formErrEdns: 3,
  notImp: 4,
  badVersion: 5,
  refused: 6,
  transfer: 7,
  notify: 8,
  update: 9,
  signed: 10,
  any: 11,
  otherClass: 12,
  noQuestion: 13,
  expire: 14,
} as const;
/** Words that `parseQuery` fills, in order; the subnet's address takes four, its first octet uppermost. */
export const QUERY_WORDS = [
  'flags',
  'type',
  'dnsClass',
  'questionEnd',
  'hasEdns',
  'dnssecOk',
  'ednsVersion',
  'udpSize',
  'subnetFamily',
  'subnetPrefix',
  'subnetAddress0',
  'subnetAddress1',
  'subnetAddress2',
  'subnetAddress3',
] as const;
