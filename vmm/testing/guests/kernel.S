// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A tiny kernel in the shape of an arm64 Linux Image (Documentation/arch/arm64/booting.rst). A test
// patches the branch at its start, so that it begins at one of the labels. MMU and interrupts stay
// off; addresses are those of arch-aarch64/memory_layout.h.

.equ SERIAL, 0x10000000
.equ PVPANIC, 0x10002000
.equ PSCI_SYSTEM_OFF, 0x84000008
.equ PSCI_SYSTEM_RESET, 0x84000009

.global _head
_head:
    b power_off
    .long 0
    .quad 0                     // text_offset
    .quad _end - _head          // image_size
    .quad 0x0a                  // flags: little-endian, 4 KiB pages, anywhere
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

.macro say text
    adr x10, \text
    bl print
.endm

// Prints the text at x10, which ends with a zero byte.
print:
    ldr x11, =SERIAL
1:  ldrb w12, [x10], #1
    cbz w12, 2f
    strb w12, [x11]
    b 1b
2:  ret

.global power_off
power_off:
    ldr w0, =PSCI_SYSTEM_OFF
    hvc #0
    b .

.global reboot
reboot:
    say hello
    ldr w0, =PSCI_SYSTEM_RESET
    hvc #0
    b .

// Takes exceptions for ever at vectors that cannot be executed.
.global no_vectors
no_vectors:
    ldr x0, =_head + 0x800000   // zeros
    msr vbar_el1, x0
    isb
    .inst 0                     // UDF

// Spins after its panic, like Linux without panic=.
.global panic
panic:
    say panic_text
    say halted_text
    b .

.global panic_and_reboot
panic_and_reboot:
    say panic_text
    b reboot

.global report_panic
report_panic:
    ldr x1, =PVPANIC
    mov w0, #1
    strb w0, [x1]
    b .

.global spin
spin:
    say hello
    b .

// Adds one to a word for ever, with exclusives that have a block boundary between them, where a run
// can stop. x3 counts the stores that were refused.
.global exclusives
exclusives:
    ldr x0, =0x40200000
    mov x3, #0
1:  ldxr x1, [x0]
    b 2f
2:  add x1, x1, #1
    stxr w2, x1, [x0]
    add x3, x3, x2
    b 1b

// Polls the physical timer, which is due after 400 ticks, and the counter for ever. x3: how often it
// was not due; x0: the last count. Powers off where the counter goes back.
.global physical_time
physical_time:
    mrs x0, cntpct_el0
    add x1, x0, #400
    msr cntp_cval_el0, x1
    mov x1, #1
    msr cntp_ctl_el0, x1
    mov x3, #0
1:  mrs x1, cntp_ctl_el0
    tst x1, #4                  // ISTATUS
    cinc x3, x3, eq
    mrs x1, cntpct_el0
    cmp x1, x0
    b.lo power_off
    mov x0, x1
    b 1b

// A pair of registers to a device: the syndrome does not describe that.
.global undescribed
undescribed:
    ldr x1, =SERIAL
    stp x0, x0, [x1]
    b .

// Asserts RTS and echoes its input until a 'q'.
.global echo
echo:
    ldr x1, =SERIAL
    mov w0, #2
    strb w0, [x1, #4]
1:  ldrb w0, [x1, #5]
    tbz w0, #0, 1b
    ldrb w0, [x1]
    strb w0, [x1]
    cmp w0, #'q'
    b.ne 1b
    b power_off

// Two loads and a store where no device is.
.global stray
stray:
    ldr x1, =0x1fff0000
    ldr w0, [x1]
    ldrb w0, [x1, #1]
    str x0, [x1, #8]
    b power_off

hello:
    .asciz "hello\n"
panic_text:
    .asciz "Kernel panic - not syncing: a test\n"
halted_text:
    .asciz "---[ end Kernel panic - not syncing: a test ]---\n"
.balign 8
.ltorg
_end:
