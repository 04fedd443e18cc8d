// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The first process of a Linux guest with two CPUs that wake each other, which takes an
// interprocessor interrupt each time. Prints "ready" once that goes on, and at the end "ok", or
// "lost" where a CPU was woken late: its interrupt did not come, but some timer did. Powers off.
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

enum { kReadyAfter = 50, kRounds = 300 };

static const int64_t kLate = 2 * 1000 * 1000;  // nanoseconds: half a tick

static void Say(const char* text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0) _exit(1);
}

// Ahead of what the kernel has still to do after its boot, which is a lot.
static void RunOn(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  const struct sched_param priority = {.sched_priority = 1};
  if (sched_setaffinity(0, sizeof(set), &set) != 0 ||
      sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
    Say("no such CPU, or no such priority\n");
  }
}

static int64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// Gives back each byte that comes.
static void Answer(int from, int to) {
  char byte;
  while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1) {
  }
  _exit(1);
}

int main(void) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) Say("no pipes\n");
  if (fork() == 0) {
    RunOn(1);
    Answer(there[0], back[1]);
  }
  RunOn(0);
  int lost = 0;
  for (int round = 0; round < kRounds && !lost; ++round) {
    const int64_t before = Now();
    char byte = 0;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) Say("no answer\n");
    if (round == kReadyAfter) Say("ready\n");
    lost = round > kReadyAfter && Now() - before > kLate;
  }
  Say(lost ? "lost\n" : "ok\n");
  reboot(RB_POWER_OFF);
  return 1;
}
