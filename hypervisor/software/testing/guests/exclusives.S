// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Exclusive loads and stores with a block boundary between the two, where a run can stop. x6: the
// address of a word that both are of.
.include "guest.inc"

// Reports the status of the store, 0 where it was done, and the word.
.global add_one
add_one:
    ldxr x1, [x6]
    b 1f
1:  add x1, x1, #1
    stxr w2, x1, [x6]
    report x2
    ldr x1, [x6]
    report x1
    power_off

// The same with a pair of words: adds one to the first.
.global add_one_to_pair
add_one_to_pair:
    ldxp x1, x3, [x6]
    b 1f
1:  add x1, x1, #1
    stxp w2, x1, x3, [x6]
    report x2
    ldr x1, [x6]
    report x1
    power_off

// As add_one, with a loop of x5 rounds (two instructions each) between the two.
.global add_one_slowly
add_one_slowly:
    ldxr x1, [x6]
1:  subs x5, x5, #1
    b.ne 1b
    add x1, x1, #1
    stxr w2, x1, [x6]
    report x2
    ldr x1, [x6]
    report x1
    power_off

// For another vCPU: stores to the word what it holds, for ever.
.global store_same
store_same:
    ldr x1, [x6]
1:  str x1, [x6]
    b 1b
