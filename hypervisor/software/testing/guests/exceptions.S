// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Each entry is one instruction that takes an exception (or does not: then x0 is reported).
.include "guest.inc"

.macro one name, instruction:vararg
    .global \name
\name:
    \instruction
    report x0
    power_off
.endm

one svc, svc #0x123
one hvc_unknown, hvc #0
one smc, smc #0
one brk, brk #0x456
one udf, .inst 0x00001234
one fp16_of_no_instruction, .inst 0x2ed61cd8
one fp16_misc_of_no_instruction, .inst 0x0ef9f800
one load, ldr x0, [x1]
one store, str x0, [x1]
one jump, br x1
one read_icc, mrs x0, s3_1_c12_c0_2          // ICC_PCR_EL1
one read_icc_dropped, mrs x0, s3_1_c12_c0_3  // ICC_HAPR_EL1
one gicr_cdia, sysl x0, #0, c12, c3, #0
one gic_cden, sys #0, c12, c1, #1, x0
one read_cntvct, mrs x0, cntvct_el0
one read_cntpct, mrs x0, cntpct_el0
one read_cntfrq, mrs x0, cntfrq_el0
one write_cntv_cval, msr cntv_cval_el0, x0
one write_cntp_ctl, msr cntp_ctl_el0, x0
one read_mpidr, mrs x0, mpidr_el1
one read_pfr0, mrs x0, id_aa64pfr0_el1
one read_pfr2, mrs x0, s3_0_c0_c4_2
one read_smfr0, mrs x0, s3_0_c0_c4_5
one read_midr, mrs x0, midr_el1

// Data cache maintenance by the address x1.
.macro maintain name, instruction:vararg
.global \name
\name:
    \instruction
    mov x0, #0x5a
    report x0
    power_off
.endm

maintain dc_cvac, dc cvac, x1
maintain dc_civac, dc civac, x1
maintain dc_ivac, dc ivac, x1
maintain dc_cvap, sys #3, c7, c12, #1, x1
maintain dc_cvadp, sys #3, c7, c13, #1, x1

// What ID registers hide: SVE, without FP (CPACR_EL1.ZEN and FPEN), and the performance monitors.
.global use_hidden
use_hidden:
    ldr x0, =(1 << 16 | 1 << 20)
    msr cpacr_el1, x0
    isb
    mrs x0, cpacr_el1
    report x0
    mov x0, #1
    msr pmcr_el0, x0                // E
    mrs x0, pmcr_el0
    report x0
    ldr x0, =(1 << 31)
    msr pmcntenset_el0, x0
    isb
    mrs x0, pmccntr_el0
    report x0
    power_off

// Random numbers, which ID registers hide: RNDR and RNDRRS.
.global use_random
use_random:
    mov x0, #1
    mrs x0, s3_3_c2_c4_0
    report x0
    mov x0, #1
    mrs x0, s3_3_c2_c4_1
    report x0
    power_off

// Sets a breakpoint at a function and a watchpoint at x1, turns both on, calls it and stores at x1;
// reports what the registers are then, and one that is not there.
.global set_breakpoints
set_breakpoints:
    ldr x0, =breakpoint
    msr dbgbvr0_el1, x0
    ldr x0, =(0xf << 5 | 3 << 1 | 1)                // BAS, PMC: EL1 and EL0, E
    msr dbgbcr0_el1, x0
    msr dbgwvr0_el1, x1
    ldr x0, =(0xff << 5 | 3 << 3 | 3 << 1 | 1)      // BAS, LSC: loads and stores, PAC, E
    msr dbgwcr0_el1, x0
    msr dbgbvr1_el1, x1
    ldr x0, =(1 << 15 | 1 << 13)                    // MDE, KDE
    msr mdscr_el1, x0
    msr oslar_el1, xzr
    msr daifclr, #8
    isb
    bl breakpoint
    str x0, [x1]
    mrs x0, dbgbvr0_el1
    report x0
    mrs x0, dbgbcr0_el1
    report x0
    mrs x0, dbgwvr0_el1
    report x0
    mrs x0, dbgwcr0_el1
    report x0
    mrs x0, dbgbvr1_el1
    report x0
    power_off

.global breakpoint
breakpoint:
    ret

// Returns to itself: reports SP_EL0 and SP_EL1 as the handler and the interrupted code see them.
.global stack_pointers
stack_pointers:
    mov x0, sp
    report x0
    mrs x0, sp_el0
    report x0
    msr spsel, #0
    mov x0, sp
    report x0
    power_off
