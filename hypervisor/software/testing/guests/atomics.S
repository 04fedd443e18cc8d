// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Each entry is one atomic instruction with the operand x1 at the address x0; it reports what was there
// and what is.
.include "guest.inc"
.arch_extension lse

.macro one name, instruction:vararg
    .global \name
\name:
    mov x2, #-1
    \instruction
    report x2
    ldr x3, [x0]
    report x3
    power_off
.endm

one ldsminb, ldsminb w1, w2, [x0]
one ldsminh, ldsminh w1, w2, [x0]
one ldsmin_w, ldsmin w1, w2, [x0]
one ldsmin_x, ldsmin x1, x2, [x0]
one ldsminal_w, ldsminal w1, w2, [x0]
one stsmin_w, stsmin w1, [x0]
one ldsmaxb, ldsmaxb w1, w2, [x0]
one ldsmaxh, ldsmaxh w1, w2, [x0]
one ldsmax_w, ldsmax w1, w2, [x0]
one ldsmax_x, ldsmax x1, x2, [x0]
one lduminb, lduminb w1, w2, [x0]
one ldumax_w, ldumax w1, w2, [x0]
