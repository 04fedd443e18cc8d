// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Rounds of work with an undefined instruction among it, which a handler leaves out. A test writes the
// instruction.
.include "guest.inc"

.balign 2048
leave_it_out_vectors:
    .org leave_it_out_vectors + 0x200
    b leave_it_out
    .org leave_it_out_vectors + 0x400
leave_it_out:
    mrs x0, esr_el1
    lsr x1, x0, #26
    cmp x1, #0x15               // EC: SVC
    b.eq off
    mov w1, #1 << 25            // EC 0, IL
    cmp x0, x1
    cinc x26, x26, eq
    b.ne 1f                     // not expected: repeated
    mrs x0, elr_el1
    add x0, x0, #4
    msr elr_el1, x0
1:  cinc x24, x24, ne
    eret
off:
    power_off

// x10 rounds; x9 a word of this CPU's own; x8 how many CPUs do this.
.global work
work:
    mov x1, #0x3c5              // EL1h, DAIF
    b 1f
.global work_at_el0
work_at_el0:
    mov x1, #0x3c0              // EL0t, DAIF
1:  msr spsr_el1, x1
    ldr x0, =leave_it_out_vectors
    msr vbar_el1, x0
    mrs x0, sctlr_el1
    bic x0, x0, #1 << 16        // nTWI: WFI is trapped at EL0
    msr sctlr_el1, x0
    ldr x0, =rounds
    msr elr_el1, x0
    mov x24, #0
    eret

rounds:
    mov x11, #0
1:  ldr x12, [x9]
    add x12, x12, #1
    str x12, [x9]
    add x11, x11, #3
    cbz x10, 2f                 // never: here a block ends
    add x11, x11, #4
.global instruction
instruction:
    udf #0
    add x11, x11, #5
    subs x10, x10, #1
    b.ne 1b
2:  ldr x12, [x9]
    report x11
    report x12
    report x26
    report x24
    ldr x0, =finished
3:  ldxr x1, [x0]
    add x1, x1, #1
    stxr w2, x1, [x0]
    cbnz w2, 3b
4:  ldr x1, [x0]
    cmp x1, x8
    b.ne 4b
    svc #0

.balign 8
finished:
    .quad 0
