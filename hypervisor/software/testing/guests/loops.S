// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Programs that run for long, or for ever.
.include "guest.inc"

.global busy
busy:
    add x1, x1, #1
    b busy

.global wait
wait:
    wfi
    add x1, x1, #1
    b wait

// vCPU 0: starts vCPU 1 (MPIDR 1); both add x5 times to the shared sum at x6 with exclusives and
// to that at x6 + 64 with an atomic; the last one reports the sums and the counter.
.global shared_sums
shared_sums:
    ldr x0, =PSCI_CPU_ON
    mov x1, #1
    ldr x2, =shared_sums_second
    mov x3, x5
    hvc #0
    b add_to_sums
shared_sums_second:
    mov x5, x0
    ldr x6, =0x40200000
    secondary_setup
add_to_sums:
    add x7, x6, #64
    add x8, x6, #128
    mov x9, #1
1:  ldxr x1, [x6]
    add x1, x1, #1
    stxr w2, x1, [x6]
    cbnz w2, 1b
    ldadd x9, xzr, [x7]
    subs x5, x5, #1
    b.ne 1b
    ldaddal x9, x10, [x8]
    cbnz x10, 2f
    psci PSCI_CPU_OFF
2:  ldr x1, [x6]
    report x1
    ldr x1, [x7]
    report x1
    mrs x1, cntvct_el0
    report x1
    power_off
