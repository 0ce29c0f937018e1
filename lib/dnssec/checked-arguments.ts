// What a program hands to the library: told where it is wrong. Below this names are what the types say, and a text in the place
// of one would be walked along for ever.
import { optionError } from '../base/errors.js';
import { plainNameLength } from '../wire/name.js';
import type { Rrset } from '../wire/rrset.js';
import type { Fetched, FetchFailure, FetchRecords } from './steps.js';
import { type Judged, validate as judge, type Validation, type ValidationContext } from './validator.js';

/**
 * Judges a response by its signatures.
 *
 * @param question `name` in wire format, folded to lower case; `type` a number
 * @param response what came for it: `rcode` a number, `answer` and `authority` lists of RRsets
 * @param context what is believed and known, the time, what it may cost, and whom to ask for DS and DNSKEY records
 * @returns a promise where `fetchRecords` gives one, or signatures are checked in libuv's pool
 * @throws {ShardnsError} ERR_SHARDNS_OPTION naming what is not as it should be
 */
export function validate(
  question: { name: Uint8Array; type: number },
  response: Judged,
  context: ValidationContext,
): Validation | Promise<Validation> {
  checkName('question.name', question.name);
  checkNumber('question.type', question.type);
  checkResponse('response', response);
  for (const one of response.beside ?? []) checkRrset('response.beside', one);
  const { anchors, zones, budget, now, policy, fetchRecords } = context;
  for (const [key, one] of Object.entries({ anchors, zones, budget, policy })) {
    if (typeof one !== 'object' || one === null) throw optionError(`context.${key}`, one, 'an object');
  }
  checkNumber('context.now', now);
  if (typeof fetchRecords !== 'function') throw optionError('context.fetchRecords', fetchRecords, 'a function');
  return judge(question, response, { ...context, fetchRecords: checked(fetchRecords) });
}

/** A response that is not what it should be is one that did not come, and its failure says so. */
function checked(fetchRecords: FetchRecords): FetchRecords {
  const check = (found: Fetched | FetchFailure | undefined): Fetched | FetchFailure | undefined => {
    if (found !== undefined && !('failure' in found)) checkResponse('what fetchRecords gave', found);
    return found;
  };
  return (name, type) => {
    const found = fetchRecords(name, type);
    return found instanceof Promise ? found.then(check) : check(found);
  };
}

function checkResponse(what: string, { rcode, answer, authority }: Fetched): void {
  checkNumber(`${what}.rcode`, rcode);
  for (const [key, list] of Object.entries({ answer, authority })) {
    if (!Array.isArray(list)) throw optionError(`${what}.${key}`, list, 'a list of RRsets');
    for (const one of list) checkRrset(`${what}.${key}`, one);
  }
}
function checkRrset(what: string, { name, type, ttl, data, signatures }: Rrset): void {
  checkName(`${what}: name`, name);
  checkNumber(`${what}: type`, type);
  checkNumber(`${what}: ttl`, ttl);
  for (const [key, list] of Object.entries({ data, signatures })) {
    const isList = Array.isArray(list) && list.every(one => one instanceof Uint8Array);
    if (!isList) throw optionError(`${what}: ${key}`, list, 'a list of Uint8Arrays, the data of a record each');
  }
}
function checkName(what: string, name: unknown): void {
  const isName = name instanceof Uint8Array && name.length > 0 && plainNameLength(name, 0) === name.length;
  if (!isName) throw optionError(what, name, 'a domain name in wire format, as a Uint8Array');
}
function checkNumber(what: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw optionError(what, value, 'a number');
}
