// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Interrupts end to end.
.include "guest.inc"

// Turns both timers off, as the line would stay up.
timer_hook:
    msr cntv_ctl_el0, xzr
    msr cntp_ctl_el0, xzr
    isb
    ret

.macro timer name, ppi, timer
.global \name
// Waits x1 ticks with WFI; reports after the INTID how late it is.
\name:
    mov x9, x1
    bl gic_cpu_init
    ldr x27, =timer_hook
    ldr x0, =1 << \ppi
    msr s3_0_c12_c10_6, x0      // ICC_PPI_ENABLER0_EL1
    mrs x4, cntvct_el0
    add x5, x4, x9
    msr \timer\()_cval_el0, x5
    mov x0, #1
    msr \timer\()_ctl_el0, x0
    wait_for_interrupts 1
    mrs x4, cntvct_el0
    sub x4, x4, x5
    report x4
    power_off
.endm

timer virtual_timer, 27, cntv
timer physical_timer, 30, cntp

// A timer that never comes due, and then SPI 5 from outside.
.global timer_never
timer_never:
    mov x0, #-1
    msr cntv_cval_el0, x0
    mov x0, #1
    msr cntv_ctl_el0, x0
    ldr x0, =1 << 27
    msr s3_0_c12_c10_6, x0
    b one_spi

// A busy loop that the virtual timer, x1 ticks from now, interrupts.
.global interrupt_loop
interrupt_loop:
    mov x9, x1
    bl gic_cpu_init
    ldr x27, =timer_hook
    ldr x0, =1 << 27
    msr s3_0_c12_c10_6, x0
    mrs x4, cntvct_el0
    add x5, x4, x9
    msr cntv_cval_el0, x5
    mov x0, #1
    msr cntv_ctl_el0, x0
    msr daifclr, #2
1:  cbz x26, 1b
    mrs x4, cntvct_el0
    sub x4, x4, x5
    report x4
    power_off

// SW_PPI, x1 of them: tells each time that it waits.
.global sw_ppi
sw_ppi:
    bl gic_cpu_init
    mov x0, #8
    msr s3_0_c12_c10_6, x0
    mov w0, #'r'
    ldr x2, =CONSOLE
    strb w0, [x2]
    wait_for_interrupts 1
    strb w0, [x2]
    wait_for_interrupts 2
    power_off

// One SPI, number 5, of the trigger that the IRS was told (x2: 1 level).
.global one_spi
one_spi:
    mov x9, x2
    bl gic_cpu_init
    bl irs_init
    mov w0, #5
    str w0, [x29, #0x108]       // IRS_SPI_SELR
    str w9, [x29, #0x114]       // IRS_SPI_CFGR.TM
    ldr x1, =3 << 29 | 5
    mov x2, #16
    mov x3, #0
    bl enable_interrupt
    ldr x27, =spi_hook
    mov w0, #'r'
    ldr x2, =CONSOLE
    strb w0, [x2]
    wait_for_interrupts 1
    mov w0, #'d'
    strb w0, [x2]
    power_off

// Tells that it is in the handler.
spi_hook:
    mov w10, #'h'
    ldr x11, =CONSOLE
    strb w10, [x11]
    ret

// SPI 5 x5 times, for resampling: tells before each wait.
.global many_spis
many_spis:
    bl gic_cpu_init
    bl irs_init
    mov w0, #5
    str w0, [x29, #0x108]
    mov w0, #1
    str w0, [x29, #0x114]
    ldr x1, =3 << 29 | 5
    mov x2, #16
    mov x3, #0
    bl enable_interrupt
    ldr x2, =CONSOLE
    mov w0, #'r'
    strb w0, [x2]
    wait_for_interrupts 3
    power_off

// Reference 8.2 row 24: SPI 5 of priority 0x10 and SPI 6 of priority 0x08, both pending; the
// second comes only after ICC_PCR is raised to its priority.
.global two_priorities
two_priorities:
    bl gic_cpu_init
    bl irs_init
    mov x0, #0x08
    msr s3_1_c12_c0_2, x0       // ICC_PCR_EL1
    isb
    ldr x1, =3 << 29 | 5
    mov x2, #0x10
    mov x3, #0
    bl enable_interrupt
    ldr x1, =3 << 29 | 6
    mov x2, #0x08
    bl enable_interrupt
    mov w0, #'r'
    ldr x2, =CONSOLE
    strb w0, [x2]
    wait_for_interrupts 1
    msr daifclr, #2
    mov x1, #1000
1:  subs x1, x1, #1
    b.ne 1b
    report x26
    msr daifset, #2
    mov x0, #0x10
    msr s3_1_c12_c0_2, x0
    isb
    wait_for_interrupts 2
    power_off

// Row 33: vCPU 0 and 1 (MPIDR 1, IAFFID 1) send each other an LPI, x5 times.
.global ping_pong
ping_pong:
    bl gic_cpu_init
    bl irs_init
    ldr x1, =2 << 29 | 0
    mov x2, #16
    mov x3, #0
    bl enable_interrupt
    ldr x1, =2 << 29 | 1
    mov x3, #1
    bl enable_interrupt
    ldr x0, =PSCI_CPU_ON
    mov x1, #1
    ldr x2, =ponger
    mov x3, #0
    hvc #0
    ldr x27, =send_to_1
    // The first is sent by hand.
    mov x20, #0
    bl send_to_1
    msr daifset, #2
1:  cmp x26, x5
    b.hs 2f
    wfi
    msr daifclr, #2
    isb
    msr daifset, #2
    b 1b
2:  power_off

send_to_1:
    ldr x10, =1 << 32 | 2 << 29 | 1
    gic_cdpend x10
    ret
send_to_0:
    ldr x10, =1 << 32 | 2 << 29 | 0
    gic_cdpend x10
    ret

ponger:
    secondary_setup
    bl gic_cpu_init
    ldr x27, =send_to_0
    msr daifclr, #2
1:  wfi
    b 1b
