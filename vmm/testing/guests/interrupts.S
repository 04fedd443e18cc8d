// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A tiny kernel with interrupts of every kind in the middle of their lives, for snapshots: GICv5, MMU
// off, addresses of arch-aarch64/memory_layout.h. kernel.S says what a test does with the start.
//
// `interrupts` makes pending, with interrupts masked: LPIs 0 to 7 (their IST is guest memory), SPI 0
// (of the serial port), and later PPI 27 (of the virtual timer). It prints "ready", writes to pages
// for a while, which is when a test saves, unmasks, and prints a letter for each interrupt: a to h, S,
// T. Then "ok" where each came once and memory has what was written; "lost" where one is missing when
// the timer comes.

.equ SERIAL, 0x10000000
.equ DATA, 0x40200000
.equ SCRATCH, 0x40180000
.equ PAGES, 32
.equ ROUNDS, 20000

.global _head
_head:
    b halt
    .long 0
    .quad 0                     // text_offset
    .quad _end - _head          // image_size
    .quad 0x0a                  // flags: little-endian, 4 KiB pages, anywhere
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

.include "guest.inc"

halt:
    power_off

// Prints the character in w10. Changes x11.
put:
    ldr x11, =SERIAL
    strb w10, [x11]
    ret

.macro say text
    adr x12, \text
    bl print
.endm

print:
    mov x13, x30
1:  ldrb w10, [x12], #1
    cbz w10, 2f
    bl put
    b 1b
2:  br x13

// x20 is the INTID.
hook:
    mov x16, x30
    lsr x17, x20, #29
    and x17, x17, #7
    mov w10, #'S'
    ldr x11, =SERIAL
    cmp x17, #3
    b.eq 3f
    mov w10, #'T'
    cmp x17, #1
    b.eq 1f
    and w10, w20, #0xff
    add w10, w10, #'a'
    b 2f
1:  msr cntv_ctl_el0, xzr       // the line falls
    isb
    cmp x26, #9                 // the timer is the last by far
    b.eq 2f
    bl put
    say lost
    power_off
3:  strb wzr, [x11, #1]         // IER: no more of it
2:  bl put
    br x16

.global interrupts
interrupts:
    ldr x0, =vectors
    msr vbar_el1, x0
    isb
    msr daifset, #2
    ldr x28, =SCRATCH           // for the reports of guest.inc
    ldr x29, =0x08000000        // the IRS
    ldr x27, =hook
    mov x26, #0
    bl gic_cpu_init
    bl irs_init
    mov x3, #0
    mov x2, #16
    mov x9, #0
1:  ldr x1, =2 << 29            // LPI x9
    add x1, x1, x9
    bl enable_interrupt
    orr x0, x1, #1 << 32        // pending
    gic_cdpend x0
    add x9, x9, #1
    cmp x9, #8
    b.lo 1b
    gsb_sys
    ldr x1, =3 << 29            // SPI 0, an edge
    bl enable_interrupt
    ldr x11, =SERIAL
    mov w0, #2                  // IER: transmitter empty
    strb w0, [x11, #1]
    ldr x0, =1 << 27
    msr s3_0_c12_c10_6, x0      // ICC_PPI_ENABLER0_EL1
    mrs x0, cntvct_el0
    ldr x1, =TICKS
    add x0, x0, x1
    msr cntv_cval_el0, x0
    mov x0, #1
    msr cntv_ctl_el0, x0
    isb
    say ready

    // Word x1 of page x1 % PAGES counts down from ROUNDS.
    ldr x0, =ROUNDS
    ldr x2, =DATA
1:  and x1, x0, #PAGES - 1
    add x3, x2, x1, lsl #12
    str x0, [x3, x1, lsl #3]
    subs x0, x0, #1
    b.ne 1b

    wait_for_interrupts 10
    // For a moment nothing more may come.
    msr daifclr, #2
    mov x0, #1000
1:  subs x0, x0, #1
    b.ne 1b
    msr daifset, #2
    cmp x26, #10
    b.ne 3f
    // Page x1 was last written in round x1, and page 0 in round PAGES.
    mov x1, #0
    mov x4, #PAGES
2:  add x3, x2, x1, lsl #12
    ldr x0, [x3, x1, lsl #3]
    cmp x1, #0
    csel x5, x4, x1, eq
    cmp x0, x5
    b.ne 3f
    add x1, x1, #1
    cmp x1, #PAGES
    b.ne 2b
    say good
    power_off
3:  say bad
    power_off

.equ TICKS, 40000000
ready:
    .asciz "ready\n"
good:
    .asciz "\nok\n"
lost:
    .asciz "\nlost\n"
bad:
    .asciz "\nbad\n"
.balign 8
.ltorg
_end:
