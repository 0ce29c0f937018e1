// What was stored before the machine slept has aged when it wakes. The sleep is played by a library that is loaded before
// libc: it moves the clocks that go on in suspend (CLOCK_BOOTTIME, the wall clock) by an hour, and leaves the others.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const LIBRARY = `
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cstdlib>
extern "C" int clock_gettime(clockid_t clock, timespec* now) {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  const bool goes_on = clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (result == 0 && goes_on && access(getenv("SLEPT"), F_OK) == 0) now->tv_sec += 3600;
  return result;
}`;

const PROGRAM = `
import { writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { ByteCache } from './dist/cache/bytes/byte-cache.js';
import { DnsCache } from './dist/cache/dns-cache.js';
import { systemClock } from './dist/base/clock.js';
const query = Buffer.from('0001010000010000000000000161076578616d706c650000010001', 'hex');
const response = Buffer.from('0001818000010001000000000161076578616d706c650000010001c00c000100010000003c0004c0000201', 'hex');
const out = new Uint8Array(1232);
const dns = DnsCache.create({ memory: '1MiB' });
const bytes = ByteCache.create({ memory: '1MiB', codec: 'utf8' });
dns.insert(response);
bytes.set('key', 'value', { ttlMs: 60_000 });
const before = { hit: dns.answer(query, out) > 0, value: bytes.get('key') };
const began = systemClock.nowMs();
writeFileSync(process.env.SLEPT, '');
await setTimeout(50);
const after = { hit: dns.answer(query, out) > 0, value: bytes.get('key') };
console.log(JSON.stringify({ before, after, seconds: Math.round((systemClock.nowMs() - began) / 1000) }));
`;

test.runIf(process.platform === 'linux' && existsSync('/usr/bin/g++'))(
  'lifetimes go on while the machine sleeps',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'shardns-suspend-'));
    try {
      const [source, library] = [join(folder, 'sleep.cc'), join(folder, 'sleep.so')];
      writeFileSync(source, LIBRARY);
      execFileSync('/usr/bin/g++', ['-shared', '-fPIC', '-o', library, source]);
      const env = { ...process.env, LD_PRELOAD: library, SLEPT: join(folder, 'slept') };
      const output = execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM], { env, encoding: 'utf8' });
      expect(JSON.parse(output)).toEqual({
        before: { hit: true, value: 'value' },
        after: { hit: false },
        seconds: 3600,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  30_000,
);
