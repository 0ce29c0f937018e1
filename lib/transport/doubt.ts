// What cannot be believed over UDP.

/**
 * Something that looks like a response and cannot be believed over UDP, since who is not on the path may have sent it:
 * the exchange goes on, and the caller may ask in a way that cannot be forged.
 * - `letters`: the question in other letters than it was asked in
 * - `question`: FORMERR or NOTIMP without the question (RFC 5452 section 9.1 asks for it)
 * - `flood`: a hundred packets that match nothing
 */
export type Doubt = 'letters' | 'question' | 'flood';
