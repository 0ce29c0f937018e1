// UDP source ports that a DNS client never has, and whose services answer whatever reaches them. A reply to one of them is
// answered again, and so on without end, or is sent to nobody: BIND drops what comes from them, and so does all of ours.
//
// 0 is reserved (RFC 768: none is used), 7 echo (RFC 862), 13 daytime (RFC 867), 17 quote (RFC 865), 19 chargen (RFC 864),
// 37 time (RFC 868), 464 kpasswd (RFC 3244).

const PORTS: ReadonlySet<number> = new Set([0, 7, 13, 17, 19, 37, 464]);

/** Whether a packet from this UDP port is dropped unread. */
export const answersByItself = (port: number): boolean => PORTS.has(port);
