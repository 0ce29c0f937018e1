// Source ports of services that answer whatever they are sent. A reply to one of them is answered too, so that a single
// packet with a forged source would set two servers talking without end (CERT CA-1996-01): what comes from such a port is
// dropped unread. native/udp/answering_ports.h is the same list.

/**
 * 0: none at all, nothing can be sent there. echo, systat, daytime, netstat, quotd, chargen, time (RFC 862 to 868);
 * kpasswd, whose errors answer errors (CVE-2002-2443). Not 53: forwarders ask from it, and replies are known by QR.
 */
export const ANSWERING_PORTS: readonly number[] = [0, 7, 11, 13, 15, 17, 19, 37, 464];

const ports = new Set(ANSWERING_PORTS);

/** Whether a packet from this port is to be dropped. */
export const answersByItself = (port: number): boolean => ports.has(port);
