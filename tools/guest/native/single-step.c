// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a debugger does: steps a child instruction by instruction and compares each address and
// register with what the program says, with system calls, memory and a breakpoint on the way.
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

// The loop is 5 instructions, TURNS times; then a system call; then a breakpoint.
#define TURNS 200

void Stepped(void);
extern const char stepped_loop[], stepped_call[], stepped_trap[];
asm(".text\n.global Stepped\nStepped:\n"
    "  sub sp, sp, #16\n"
    "  mov x0, #0\n"
    ".global stepped_loop\nstepped_loop:\n"
    "  add x0, x0, #1\n"
    "  str x0, [sp]\n"
    "  ldr x1, [sp]\n"
    "  cmp x1, #200\n"
    "  b.ne stepped_loop\n"
    "  mov x8, #172\n"  // getpid
    ".global stepped_call\nstepped_call:\n"
    "  svc #0\n"
    ".global stepped_trap\nstepped_trap:\n"
    "  brk #0\n");

static pid_t child;

static struct user_regs_struct Registers(void) {
  struct user_regs_struct registers;
  struct iovec area = {&registers, sizeof(registers)};
  if (ptrace(PTRACE_GETREGSET, child, (void*)NT_PRSTATUS, &area) != 0) {
    perror("PTRACE_GETREGSET");
    exit(1);
  }
  return registers;
}

// Steps or continues, and expects SIGTRAP.
static void Go(int request) {
  int status;
  if (ptrace(request, child, NULL, NULL) != 0 || waitpid(child, &status, 0) != child) {
    perror("ptrace");
    exit(1);
  }
  if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
    printf("the child's status is %x\n", (unsigned)status);
    exit(1);
  }
}

static void Expect(const char* what, uint64_t actual, uint64_t expected) {
  if (actual == expected) return;
  printf("%s: %lx, not %lx\n", what, (unsigned long)actual, (unsigned long)expected);
  kill(child, SIGKILL);
  exit(1);
}

static uint64_t steps;
static void Step(uint64_t pc) {
  Go(PTRACE_SINGLESTEP);
  ++steps;
  Expect("pc", Registers().pc, pc);
}

int main(void) {
  child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    Stepped();
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);

  // To the function, by its address: a breakpoint there.
  const uint64_t start = (uint64_t)Stepped, loop = (uint64_t)stepped_loop;
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, child, (void*)start, NULL);
  if (errno != 0) return 1;
  const uint32_t brk = 0xd4200000;
  ptrace(PTRACE_POKETEXT, child, (void*)start,
         (void*)(long)(((uint64_t)word & ~0xffffffffull) | brk));
  Go(PTRACE_CONT);
  Expect("pc at the breakpoint", Registers().pc, start);
  ptrace(PTRACE_POKETEXT, child, (void*)start, (void*)word);

  Step(start + 4);
  Step(loop);
  for (uint64_t turn = 1; turn <= TURNS; ++turn) {
    for (uint64_t n = 1; n <= 4; ++n) Step(loop + 4 * n);
    Step(turn < TURNS ? loop : loop + 20);
    const struct user_regs_struct registers = Registers();
    Expect("x0", registers.regs[0], turn);
    Expect("x1", registers.regs[1], turn);
  }
  Step((uint64_t)stepped_call);
  Step((uint64_t)stepped_trap);
  Expect("the system call's result", Registers().regs[0], (uint64_t)child);
  Go(PTRACE_CONT);  // into the brk
  Expect("pc at the trap", Registers().pc, (uint64_t)stepped_trap);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  printf("FIRN-STEP %lu steps\n", (unsigned long)steps);
  return 0;
}
