// How a recursor's questions go to servers through an exchanger: with DO where anything wants signatures, and with CD to
// those who resolve for others, since it is for us to judge what comes (RFC 6840 section 5.9).
import type { Exchanger } from '../../upstream/exchange.js';
import { buildServerQuery } from '../upstream-query.js';
import type { AskServer, RecursorOptions } from './options.js';

/**
 * @param exchangerOf of the moment, as are the options
 * @param udpSize octets of a response over UDP
 */
export function serverAsker(
  exchangerOf: () => Pick<Exchanger, 'ask' | 'askTcp'>,
  optionsOf: () => Pick<RecursorOptions, 'validation' | 'dnssecOk'>,
  udpSize: number,
): AskServer {
  return (question, server, timeoutMs, cancel, onLate) => {
    const { name, type, recursionDesired } = question;
    const { validation, dnssecOk: wanted } = optionsOf();
    const dnssecOk = wanted || validation !== undefined;
    const checkingDisabled = recursionDesired && validation !== undefined;
    const query = buildServerQuery({ name, type, recursionDesired, dnssecOk, checkingDisabled }, udpSize);
    const exchanger = exchangerOf();
    const patience = { timeoutMs, cancel, onLate, client: question.client };
    return question.tcp ? exchanger.askTcp(query, server, patience) : exchanger.ask(query, server, patience);
  };
}
