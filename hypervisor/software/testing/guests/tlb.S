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
