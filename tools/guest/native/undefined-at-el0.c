// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A program that tries what belongs to EL1, as the GIC's instructions and registers do, or what is no
// instruction gets SIGILL at that instruction, and interrupts go on.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static sigjmp_buf back;
static volatile uintptr_t fault_pc;

static void OnIllegal(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  fault_pc = (uintptr_t)info->si_addr;
  siglongjmp(back, 1);
}

static int failures, tried;

// Executes one instruction, whose address is kept to compare.
#define TRY(instruction)                                                           \
  do {                                                                             \
    uintptr_t at = 0, value = 0;                                                   \
    ++tried;                                                                       \
    fault_pc = 0;                                                                  \
    if (sigsetjmp(back, 1) == 0) {                                                 \
      asm volatile("adr %0, 1f\n str %0, %2\n1: " instruction                      \
                   : "+&r"(at), "+r"(value), "=m"(expected_pc)::"memory");         \
      printf("%s: executed\n", instruction);                                       \
      ++failures;                                                                  \
    } else if (fault_pc != expected_pc) {                                          \
      printf("%s: SIGILL at %lx, not %lx\n", instruction, (unsigned long)fault_pc, \
             (unsigned long)expected_pc);                                          \
      ++failures;                                                                  \
    }                                                                              \
  } while (0)

static volatile uintptr_t expected_pc;

int main(void) {
  struct sigaction action = {.sa_sigaction = OnIllegal, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, NULL);

  TRY("sys #0, c12, c1, #0, %1");   // GIC CDDIS
  TRY("sys #0, c12, c1, #1, %1");   // GIC CDEN
  TRY("sys #0, c12, c1, #2, %1");   // GIC CDPRI
  TRY("sys #0, c12, c1, #3, %1");   // GIC CDAFF
  TRY("sys #0, c12, c1, #4, %1");   // GIC CDPEND
  TRY("sys #0, c12, c1, #5, %1");   // GIC CDRCFG
  TRY("sys #0, c12, c1, #7, %1");   // GIC CDEOI
  TRY("sys #0, c12, c2, #0, %1");   // GIC CDDI
  TRY("sys #0, c12, c2, #1, %1");   // GIC CDHM
  TRY("sysl %1, #0, c12, c3, #0");  // GICR CDIA
  TRY("sysl %1, #0, c12, c3, #1");  // GICR CDNMIA
  TRY("sys #0, c12, c0, #0, xzr");  // GSB SYS
  TRY("sys #0, c12, c0, #1, xzr");  // GSB ACK
  TRY("mrs %1, s3_0_c12_c10_6");    // ICC_PPI_ENABLER0_EL1
  TRY("msr s3_0_c12_c10_6, %1");
  TRY("mrs %1, s3_1_c12_c0_0");  // ICC_APR_EL1
  TRY("mrs %1, s3_1_c12_c0_1");  // ICC_CR0_EL1
  TRY("msr s3_1_c12_c0_1, %1");
  TRY("mrs %1, s3_1_c12_c0_2");  // ICC_PCR_EL1
  TRY("msr s3_1_c12_c0_2, %1");
  TRY("mrs %1, s3_0_c12_c14_0");  // ICC_PPI_PRIORITYR0_EL1

  // Among FP16 operations, but none: Unicorn does not know that.
  TRY(".inst 0x2ed61cd8");
  TRY(".inst 0x0ef9f800");
  TRY(".inst 0x6edd0fa6");
  TRY(".inst 0x5ef96b15");

  const struct timespec nap = {.tv_nsec = 50 * 1000 * 1000};
  nanosleep(&nap, NULL);  // the timer's interrupt still comes
  printf("FIRN-EL0 %d tried, %d failures\n", tried, failures);
  return failures != 0;
}
