// A service manager as small as can be: binds sockets, starts a server with them, ends it and starts it again, and hears what
// it says of itself. In Perl, which is on every Debian: Node reads the sockets that it binds, and has no unix datagrams.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';

const missing = ['perl'].filter(tool => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0 && process.env.CI === 'true') throw new Error(`not installed: ${missing.join(' ')}`);
export const hasPerl = missing.length === 0;

/** Sockets are at 3 and 4 of the server; what this one has of them ends with it. */
const MANAGER = String.raw`
use strict; use Socket; use POSIX ();
$| = 1;
my ($udp, $tcp, $port);
do {
  socket($udp, PF_INET, SOCK_DGRAM, 0) && bind($udp, sockaddr_in(0, INADDR_LOOPBACK)) || die "udp: $!";
  ($port) = sockaddr_in(getsockname($udp));
  socket($tcp, PF_INET, SOCK_STREAM, 0) || die "tcp: $!";
} until (bind($tcp, sockaddr_in($port, INADDR_LOOPBACK)));
listen($tcp, 128) || die "listen: $!";
print "port $port\n";
my $pid;
while (my $line = <STDIN>) {
  if ($line =~ /^start/) {
    $pid = fork();
    if ($pid == 0) {
      POSIX::dup2(fileno($udp), 100); POSIX::dup2(fileno($tcp), 101);
      POSIX::dup2(100, 3); POSIX::dup2(101, 4);
      POSIX::close(100); POSIX::close(101);
      ($ENV{LISTEN_PID}, $ENV{LISTEN_FDS}, $ENV{LISTEN_FDNAMES}) = ($$, 2, 'udp:tcp');
      exec @ARGV;
    }
  } elsif ($line =~ /^signal (\w+)/) {
    kill $1, $pid;
  } elsif ($line =~ /^wait/) {
    waitpid($pid, 0);
    print $? >> 8, " ", $? & 127, " was its end\n";
  }
}
kill 'KILL', $pid if $pid;
`;
const READER = String.raw`
use strict; use Socket;
$| = 1;
my $path = $ARGV[0];
$path =~ s/^@/\0/;
my $reader;
socket($reader, PF_UNIX, SOCK_DGRAM, 0) && bind($reader, pack_sockaddr_un($path)) || die "notify: $!";
print "bound\n";
while (defined recv($reader, my $text, 4096, 0)) { $text =~ s/\n/ /g; print "told $text\n"; }
`;

/** A process and what it says. */
export class Program {
  text = '';
  #waiting: { has: () => boolean; resolve: () => void }[] = [];

  constructor(readonly child: ChildProcessWithoutNullStreams) {
    const take = (chunk: Buffer): void => {
      this.text += chunk.toString();
      for (const one of this.#waiting) if (one.has()) one.resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.stdin.on('error', () => {});
  }
  /** Waits until it has said something, so many times. */
  says(text: string, times = 1): Promise<void> {
    const has = (): boolean => this.countOf(text) >= times;
    return new Promise(resolve => {
      if (has()) resolve();
      else this.#waiting.push({ has, resolve });
    });
  }
  countOf(text: string): number {
    return this.text.split(text).length - 1;
  }
}

export class Manager {
  #waits = 0;
  private constructor(
    readonly server: Program,
    readonly port: number,
  ) {}

  /** @param command of the server, with its arguments */
  static async start(command: string[], env: NodeJS.ProcessEnv = {}): Promise<Manager> {
    const server = new Program(spawn('perl', ['-e', MANAGER, ...command], { env: { ...process.env, ...env } }));
    await server.says('\n');
    return new Manager(server, Number(/^port (\d+)/.exec(server.text)![1]));
  }
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }
  begin(): void {
    this.server.child.stdin.write('start\n');
  }
  signal(name: string): void {
    this.server.child.stdin.write(`signal ${name}\n`);
  }
  /** @returns its status and the signal that it ended by */
  async ended(): Promise<string> {
    this.server.child.stdin.write('wait\n');
    await this.server.says(' was its end\n', ++this.#waits);
    return [...this.server.text.matchAll(/(\d+ \d+) was its end\n/g)].at(-1)![1];
  }
  close(): void {
    this.server.child.stdin.end();
  }
}

/** Hears what is told at a path, or at an abstract name that begins with @. */
export async function hear(path: string): Promise<Program> {
  const program = new Program(spawn('perl', ['-e', READER, path]));
  await program.says('bound');
  return program;
}
