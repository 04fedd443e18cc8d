// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A mapping that changes, by break-before-make. x1: what the TLBI is told; x2: the descriptor, x3: its
// new value; x4, x5: addresses that are read before and after.
.include "guest.inc"

.macro read_both
    ldr x0, [x4]
    report x0
    ldr x0, [x5]
    report x0
.endm

.macro change_mapping name, operation
.global \name
\name:
    read_both
    str xzr, [x2]
    dsb ish
    tlbi \operation, x1
    dsb ish
    isb
    str x3, [x2]
    dsb ish
    isb
    read_both
    power_off
.endm

change_mapping by_vae1, vae1
change_mapping by_vae1is, vae1is
change_mapping by_vaae1, vaae1
change_mapping by_vaae1is, vaae1is
change_mapping by_vale1, vale1
change_mapping by_vale1is, vale1is
change_mapping by_vaale1, vaale1
change_mapping by_vaale1is, vaale1is

// Two vCPUs, each with a mapping of its own, x8 times longer than a turn: reads at x4, where x5 must be,
// and calls x6, which must give x7. Reports x5 at the end, or 0 and what it found instead.
.global with_tables_of_its_own
with_tables_of_its_own:
    ldr x0, [x4]
    cmp x0, x5
    b.ne 1f
    blr x6
    cmp x0, x7
    b.ne 1f
    subs x8, x8, #1
    b.ne with_tables_of_its_own
    report x5
    b who_is_last
1:  report xzr
    report x0
    power_off

who_is_last:
    ldr x9, =finished
2:  ldaxr x0, [x9]
    add x0, x0, #1
    stlxr w1, x0, [x9]
    cbnz w1, 2b
    cmp x0, #2
    b.ne .
    power_off

// One vCPU changes the mapping, x1, x2 and x3 as above, after the other has read at x4 and x5.
.global change_for_other
change_for_other:
    ldr x9, =turn
1:  ldar x0, [x9]
    cbz x0, 1b
    str xzr, [x2]
    dsb ish
    tlbi vae1is, x1
    dsb ish
    isb
    str x3, [x2]
    dsb ish
    isb
    mov x0, #2
    stlr x0, [x9]
    b .

.global read_around_change
read_around_change:
    read_both
    ldr x9, =turn
    mov x0, #1
    stlr x0, [x9]
1:  ldar x0, [x9]
    cmp x0, #2
    b.ne 1b
    read_both
    power_off

.balign 8
finished: .quad 0
turn: .quad 0
