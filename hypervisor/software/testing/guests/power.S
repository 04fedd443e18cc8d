// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// PSCI in the machine: CPUs on and off, system off and reset, suspend.
.include "guest.inc"

// Powers vCPU with MPIDR x19 on at `secondary`, x5 times: each time waits until it is off again.
.global on_off
on_off:
    mov x24, #0
1:
    ldr x0, =PSCI_CPU_ON
    mov x1, x19
    ldr x2, =secondary
    add x3, x24, #0x700
    hvc #0
    report x0
2:  ldr x0, =PSCI_AFFINITY_INFO
    mov x1, x19
    mov x2, #0
    hvc #0
    cmp x0, #1
    b.ne 2b
    add x24, x24, #1
    cmp x24, x5
    b.lo 1b
    power_off

// Reports its state at reset, then spoils it and turns itself off.
secondary:
    ldr x28, =REPORT
    report x0
    mrs x1, sctlr_el1
    and x1, x1, #1
    report x1
    mrs x1, CurrentEL
    report x1
    mrs x1, daif
    report x1
    mrs x1, spsel
    report x1
    mov x1, sp
    report x1
    mrs x1, vbar_el1
    report x1
    mrs x1, ttbr0_el1
    report x1
    mrs x1, tpidr_el1
    report x1
    mrs x1, cntv_ctl_el0
    report x1
    add x1, x5, x17     // general registers
    report x1
    // Spoil.
    ldr x1, =0x40200000
    mov sp, x1
    msr vbar_el1, x1
    msr ttbr0_el1, x1
    msr tpidr_el1, x1
    mov x5, #5
    mov x17, #17
    mov x1, #1
    msr cntv_ctl_el0, x1
    msr daifclr, #0xf
    msr spsel, #0
    psci PSCI_CPU_OFF
    report x0           // never
    b .

// Calls x0 with x1 to x3; reports the result.
.global call
call:
    hvc #0
    report x0
    power_off

// Waits for the virtual timer, x1 ticks from now, by CPU_SUSPEND; reports the result and whether
// that much time has passed.
.global suspend
suspend:
    bl gic_cpu_init
    ldr x0, =1 << 27
    msr s3_0_c12_c10_6, x0      // ICC_PPI_ENABLER0_EL1
    mrs x4, cntvct_el0
    add x5, x4, x1
    msr cntv_cval_el0, x5
    mov x0, #1
    msr cntv_ctl_el0, x0
    psci PSCI_CPU_SUSPEND
    report x0
    mrs x4, cntvct_el0
    subs x4, x4, x5
    cset x0, hs
    report x0
    report x4
    power_off

// Off for good.
.global off
off:
    psci PSCI_CPU_OFF
    b .
