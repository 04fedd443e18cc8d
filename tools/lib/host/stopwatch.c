// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// stopwatch MARKER COMMAND...: prints the microseconds from just before the exec of COMMAND until MARKER is
// in what it writes to stdout, and then ends it (SIGTERM) and waits for all that had its stdout.
#define _GNU_SOURCE  // memmem
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int main(int argc, char** argv) {
  int fds[2];
  if (argc < 3 || pipe(fds) != 0) return 2;
  const int64_t start = Now();
  const pid_t child = vfork();
  if (child == 0) {
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  close(fds[1]);

  static char seen[1 << 16];
  size_t size = 0;
  int64_t end = 0;
  ssize_t got;
  while ((got = read(fds[0], seen + size, sizeof(seen) - size)) > 0) {
    const int64_t now = Now();
    if (end != 0) continue;
    size += (size_t)got;
    if (memmem(seen, size, argv[1], strlen(argv[1])) != NULL) {
      end = now;
      kill(child, SIGTERM);
      size = 0;
    } else if (size == sizeof(seen)) {
      break;
    }
  }
  waitpid(child, NULL, 0);
  if (end == 0) {
    fprintf(stderr, "stopwatch: %s ended without %s\n", argv[2], argv[1]);
    return 1;
  }
  printf("%lld\n", (long long)(end - start));
  return 0;
}
