// An HTTP server in a process of its own, so that what it costs is none of the client's: answers `well` to everything, and
// keeps connections. Tells its port to whoever has forked it, and ends with that.
import http from 'node:http';

const server = http.createServer((_, response) => response.end('well'));
// Blocks of calls are apart for longer than a server keeps idle connections.
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit(0));
