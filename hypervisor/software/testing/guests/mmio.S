// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Each entry is one access at x1 (and x2), then reports x0 and x1 and powers off.
.include "guest.inc"

.macro access name, instruction:vararg
    .global \name
\name:
    \instruction
    b report_x0
.endm

report_x0:
    report x0
    report x1
    power_off

access ldrb_w, ldrb w0, [x1]
access ldrh_w, ldrh w0, [x1]
access ldr_w, ldr w0, [x1]
access ldr_x, ldr x0, [x1]
access ldrsb_w, ldrsb w0, [x1]
access ldrsb_x, ldrsb x0, [x1]
access ldrsh_w, ldrsh w0, [x1]
access ldrsh_x, ldrsh x0, [x1]
access ldrsw_x, ldrsw x0, [x1]
access ldar_w, ldar w0, [x1]
access ldr_xzr, ldr xzr, [x1]
access ldr_register_offset, ldr w0, [x1, x2]

access strb_w, strb w0, [x1]
access strh_w, strh w0, [x1]
access str_w, str w0, [x1]
access str_x, str x0, [x1]
access stlr_w, stlr w0, [x1]
access str_xzr, str xzr, [x1]
access str_wzr, str wzr, [x1]

// What no device access may be: the syndrome does not describe it.
access ldr_post_index, ldr w0, [x1], #4
access ldr_pre_index, ldr w0, [x1, #4]!
access str_post_index, str w0, [x1], #4
access ldp, ldp x0, x2, [x1]
access stp, stp x0, x0, [x1]
access ldr_vector, ldr q0, [x1]
access ldxr, ldxr w0, [x1]
access ldadd, ldadd w0, w0, [x1]

// Jumps to x1.
.global jump
jump:
    br x1

// x2 loads at x1, then off.
.global repeat_load
repeat_load:
    ldr w0, [x1]
    subs x2, x2, #1
    b.ne repeat_load
    power_off

// x2 doorbells at x1; after each, reports what is at x3.
.global doorbells
doorbells:
    str w2, [x1]
    ldr x0, [x3]
    report x0
    subs x2, x2, #1
    b.ne doorbells
    power_off

// Stores x0 to memory at x1, x1 + x2, … x3 times; loads them back and reports the sum.
.global fill
fill:
    mov x4, x1
    mov x5, x3
1:  str x0, [x4]
    add x4, x4, x2
    subs x5, x5, #1
    b.ne 1b
    mov x6, #0
2:  ldr x4, [x1]
    add x6, x6, x4
    add x1, x1, x2
    subs x3, x3, #1
    b.ne 2b
    report x6
    power_off
