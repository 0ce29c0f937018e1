// Sockets that were there before this process: what they are.

/** A UDP socket, or a TCP socket that listens. */
export interface HandedSocket {
  /** With its interface where it is of one: `fe80::1%eth0`. */
  address: string;
  port: number;
  /** UDP; else TCP. */
  datagrams: boolean;
  /** All IPv6 addresses, and all IPv4 ones too. */
  bothFamilies: boolean;
}
