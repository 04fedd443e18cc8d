// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Code that changes. x5: the virtual address at which `function` is called; x6: the one at which
// its first instruction is changed. Both map to the page of `function`.
.include "guest.inc"

// Calls, changes, tells so by the instruction in `flush`, calls again; x7 times.
.macro change_and_call name, flush:vararg
.global \name
\name:
    mov x8, #0
1:  blr x5
    report x0
    add x8, x8, #1
    cmp x8, x7
    b.hi 2f
    ldr w1, =0xd2800000         // movz x0, #0
    orr w1, w1, w8, lsl #5      // movz x0, #x8
    str w1, [x6]
    dsb ish
    \flush
    dsb ish
    isb
    b 1b
2:  power_off
.endm

change_and_call by_ivau, ic ivau, x5
change_and_call by_iallu, ic iallu
change_and_call by_ialluis, ic ialluis
// By the address through which it was changed.
change_and_call by_ivau_alias, ic ivau, x6

// As by_ivau, once, by a device at x6; then, and where x8 is not 0 before as well, reports what is at x4.
.global change_and_read
change_and_read:
    cbz x8, 1f
    ldr x0, [x4]
    report x0
1:  blr x5
    report x0
    ldr w1, =0xd2800020         // movz x0, #1
    str w1, [x6]
    dsb ish
    ic ivau, x5
    dsb ish
    isb
    blr x5
    report x0
    ldr x0, [x4]
    report x0
    power_off

// vCPU 0 changes `function` x7 times; vCPU 1 (MPIDR 1) calls it after each change and reports.
.global change_for_other
change_for_other:
    ldr x0, =PSCI_CPU_ON
    mov x1, #1
    ldr x2, =caller
    mov x3, x7
    hvc #0
    ldr x9, =turn
    mov x8, #0
1:  ldar x1, [x9]
    cmp x1, x8, lsl #1
    b.ne 1b
    add x8, x8, #1
    ldr w1, =0xd2800000
    orr w1, w1, w8, lsl #5
    str w1, [x6]
    dsb ish
    ic ivau, x5
    dsb ish
    isb
    lsl x1, x8, #1
    sub x1, x1, #1
    stlr x1, [x9]
    b 1b

caller:
    mov x7, x0
    secondary_setup
    ldr x5, =function
    blr x5              // translated before the first change
    report x0
    ldr x9, =turn
    mov x8, #0
    stlr x8, [x9]       // now it may change
1:  lsl x2, x8, #1
    add x2, x2, #1
2:  ldar x1, [x9]
    cmp x1, x2
    b.ne 2b
    isb
    blr x5
    report x0
    add x2, x2, #1
    stlr x2, [x9]
    add x8, x8, #1
    cmp x8, x7
    b.lo 1b
    power_off

// Calls x9 pages from x10 on, each with a ret, then x5, and reports what that gives.
.global call_pages
call_pages:
    cbz x9, 1f
    blr x10
    add x10, x10, #4096
    sub x9, x9, #1
    b call_pages
1:  blr x5
    report x0
    power_off

// The code at x5 has changed: tells so by `flush`, calls it, and reports what it gives.
.macro flush_and_call name, flush:vararg
.global \name
\name:
    \flush
    dsb ish
    isb
    blr x5
    report x0
    power_off
.endm

flush_and_call call_after_ivau, ic ivau, x5
flush_and_call call_after_iallu, ic iallu
flush_and_call call_after_ialluis, ic ialluis

// IC IVAU on x1, which may be anything, after a jump there that fails: the handler comes here.
.global flush_bad
flush_bad:
    ic ivau, x1
    dsb ish
    isb
    report x1
    power_off

.balign 8
turn: .quad -1

.balign 4096
.global function
function:
    mov x0, #0
    ret
.balign 4096
