// SPDX-License-Identifier: MIT
//! What is one per linked object: the four sites with their notes, the semaphore, what the cold path
//! keeps, and what is known of a thread.
//!
//! The same comdat groups under the same hidden weak names as `pushback.h` defines, so that an
//! executable or library with several versions of this crate and with C has one set of them. All is
//! referred to by assembler: direct, without a table of addresses, and never exported.
//! `.ifndef` because link-time optimisation puts the assembler of all crates into one.

// That of here(): at each copy of the function `.ifndef` asks for it.
#![allow(named_asm_labels)]

use crate::layout::Record;
use core::arch::{asm, global_asm};
use core::cell::Cell;
use core::sync::atomic::{AtomicPtr, AtomicU64};

/// Defines `name` in a comdat group of its own, in `section` with `flags`.
#[rustfmt::skip]
macro_rules! object {
    ($name:literal, $section:expr, $flags:literal, $align:expr, $body:literal) => {
        concat!(
            ".ifndef ", $name, "\n",
            ".pushsection ", $section, ",", $flags, ",", $name, ",comdat\n",
            ".weak ", $name, "\n",
            ".hidden ", $name, "\n",
            ".balign ", $align, "\n", $name, ":\n", $body, "\n",
            ".size ", $name, ", . - ", $name, "\n",
            ".popsection\n",
            ".endif\n",
        )
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! site_args {
    () => {
        ".asciz \"8@%rdi 8@%rsi 4@%edx 8@%rcx 8@%r8 8@%r9\""
    };
}
#[cfg(target_arch = "x86_64")]
macro_rules! page {
    () => {
        "4096"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! page {
    () => {
        "65536" // the largest there is
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! site_args {
    () => {
        ".asciz \"8@x0 8@x1 4@x2 8@x3 8@x4 8@x5\""
    };
}

// As sys/sdt.h has it; "R" keeps it where the linker collects sections, "M" makes one of two: lld does
// not look at the groups of what it optimises at link time, and readers take the section's beginning
// for the symbol's place.
global_asm!(
    ".ifndef _.stapsdt.base",
    ".pushsection .stapsdt.base,\"aMGR\",@progbits,1,.stapsdt.base,comdat",
    ".weak _.stapsdt.base",
    ".hidden _.stapsdt.base",
    "_.stapsdt.base: .space 1",
    ".size _.stapsdt.base, 1",
    ".popsection",
    ".endif",
    options(raw),
);
// The semaphore is raised by the kernel for each attached site: in the file, writable, not in .bss, and
// in no page that is mapped twice: lld does so with the one where .data begins, see pushback.h.
// The epoch of this process's watch is in a page that a fork wipes; see watch::begin().
#[rustfmt::skip]
global_asm!(
    object!("pushback_semaphore", ".probes", "\"awG\",@progbits", page!(), ".2byte 0"),
    object!("pushback_no_epoch", ".bss.pushback_no_epoch", "\"awG\",@nobits", "8", ".zero 8"),
    object!("pushback_epoch", ".data.pushback_epoch", "\"awG\",@progbits", "8",
        ".8byte pushback_no_epoch"),
    object!("pushback_instances", ".bss.pushback_instances", "\"awG\",@nobits", "8", ".zero 8"),
    options(raw),
);
// The sites, each with its note in its group.
global_asm!(
    ".irp probe, submit_return, forward_return, poll_return, step_end",
    ".ifndef pushback_fire_\\probe",
    ".pushsection .text.unlikely.pushback_fire_\\probe,\"axG\",@progbits,pushback_fire_\\probe,comdat",
    ".weak pushback_fire_\\probe",
    ".hidden pushback_fire_\\probe",
    ".type pushback_fire_\\probe,@function",
    ".balign 16",
    "pushback_fire_\\probe:",
    "nop",
    "ret",
    ".size pushback_fire_\\probe, . - pushback_fire_\\probe",
    ".popsection",
    ".pushsection .note.stapsdt,\"G\",@note,pushback_fire_\\probe,comdat",
    ".balign 4",
    ".4byte 992f-991f, 994f-993f, 3",
    "991: .asciz \"stapsdt\"",
    "992: .balign 4",
    "993: .8byte pushback_fire_\\probe, _.stapsdt.base, pushback_semaphore",
    ".asciz \"pushback\"",
    ".asciz \"\\probe\"",
    site_args!(),
    "994: .balign 4",
    ".popsection",
    ".endif",
    ".endr",
    options(raw),
);

/// The address of a symbol of this object.
#[cfg(target_arch = "x86_64")]
macro_rules! address {
    ($symbol:literal) => {{
        let at: usize;
        // SAFETY: computes an address.
        unsafe {
            asm!(concat!("lea {}, [rip + ", $symbol, "]"), out(reg) at,
                options(pure, nomem, nostack, preserves_flags))
        };
        at
    }};
}
#[cfg(target_arch = "aarch64")]
macro_rules! address {
    ($symbol:literal) => {{
        let at: usize;
        // SAFETY: computes an address.
        unsafe {
            asm!(concat!("adrp {0}, ", $symbol), concat!("add {0}, {0}, :lo12:", $symbol), out(reg) at,
                options(pure, nomem, nostack, preserves_flags))
        };
        at
    }};
}

/// The semaphore's value: one load, in assembler, since the kernel changes it behind our back.
#[inline(always)]
pub(crate) fn semaphore() -> u16 {
    let value: u32;
    // SAFETY: reads two bytes that are always mapped.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("movzx {0:e}, word ptr [rip + pushback_semaphore]", out(reg) value,
            options(readonly, nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("adrp {1}, pushback_semaphore", "ldrh {0:w}, [{1}, :lo12:pushback_semaphore]",
            out(reg) value, out(reg) _, options(readonly, nostack, preserves_flags));
    }
    value as u16
}

#[cfg(test)]
pub(crate) fn semaphore_address() -> usize {
    address!("pushback_semaphore")
}

#[inline]
pub(crate) fn epoch() -> &'static AtomicPtr<AtomicU64> {
    let at = address!("pushback_epoch") as *const AtomicPtr<AtomicU64>;
    // SAFETY: eight aligned bytes of this object's data, never anything else.
    unsafe { &*at }
}

pub(crate) fn no_epoch() -> &'static AtomicU64 {
    let at = address!("pushback_no_epoch") as *const AtomicU64;
    // SAFETY: as above.
    unsafe { &*at }
}

pub(crate) fn instances() -> &'static AtomicU64 {
    let at = address!("pushback_instances") as *const AtomicU64;
    // SAFETY: as above.
    unsafe { &*at }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Site {
    SubmitReturn,
    ForwardReturn,
    PollReturn,
    StepEnd,
}

pub(crate) fn site_address(site: Site) -> usize {
    match site {
        Site::SubmitReturn => address!("pushback_fire_submit_return"),
        Site::ForwardReturn => address!("pushback_fire_forward_return"),
        Site::PollReturn => address!("pushback_fire_poll_return"),
        Site::StepEnd => address!("pushback_fire_step_end"),
    }
}

/// Whether the kernel has placed its breakpoint; the semaphore is up before that. A load in assembler:
/// it is code that the kernel changes.
pub(crate) fn armed(site: Site) -> bool {
    let at = site_address(site);
    let code: u32;
    // SAFETY: reads the first instruction of a function of this object.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("movzx {0:e}, byte ptr [{1}]", out(reg) code, in(reg) at,
            options(readonly, nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("ldr {0:w}, [{1}]", out(reg) code, in(reg) at,
            options(readonly, nostack, preserves_flags));
    }
    code != if cfg!(target_arch = "x86_64") { 0x90 } else { 0xd503_201f }
}

/// Calls the site. Directly: the sites are no landing pads for indirect calls (BTI, IBT would fault),
/// and rustc's own calls of functions elsewhere are indirect where the linker leaves them so.
macro_rules! fire {
    ($symbol:literal, $s:expr, $value:expr, $yes:expr, $no:expr, $next:expr) => {{
        let s: *const Record = $s;
        let name: *const u8 = $s.name.as_ptr();
        // SAFETY: the site returns at once; who has put a breakpoint there leaves registers alone.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!(concat!("call ", $symbol), in("rdi") s, in("rsi") name, in("rdx") u64::from($value),
                in("rcx") $yes, in("r8") $no, in("r9") $next, clobber_abi("C"));
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!(concat!("bl ", $symbol), in("x0") s, in("x1") name, in("x2") u64::from($value),
                in("x3") $yes, in("x4") $no, in("x5") $next, clobber_abi("C"));
        }
    }};
}

pub(crate) fn fire_at(site: Site, s: &Record, value: u32, yes: u64, no: u64, next: u64) {
    match site {
        Site::SubmitReturn => fire!("pushback_fire_submit_return", s, value, yes, no, next),
        Site::ForwardReturn => fire!("pushback_fire_forward_return", s, value, yes, no, next),
        Site::PollReturn => fire!("pushback_fire_poll_return", s, value, yes, no, next),
        Site::StepEnd => fire!("pushback_fire_step_end", s, value, yes, no, next),
    }
}

/// What is known of a thread: `struct pushback_here`.
#[repr(C)]
pub(crate) struct Here {
    /// The step whose submit returned last, or 0.
    pub(crate) called: Cell<usize>,
    /// The innermost wrapped call; see `strategy::Frame`. Versions of this crate in one object share it:
    /// if that changes its layout, all this needs another name.
    pub(crate) frame: Cell<usize>,
}
const _: () = assert!(core::mem::size_of::<Here>() == 16);

/// This thread's. Not to be kept while anything runs that is not ours: who switches stacks may come back
/// on another thread.
///
/// Defined inside of the function that uses it, not in `global_asm!`: linkers that optimise at link
/// time list the symbols of a module's assembler, without seeing that one is thread-local. The
/// general model, which is right wherever the object is loaded and takes nothing of the little room
/// that libraries opened at run time share; the linker makes it one instruction in executables.
#[inline(always)]
pub(crate) fn here<'a>() -> &'a Here {
    let at: *const Here;
    // SAFETY: a call of the C library by the sequence that the ABI lays down. It changes no memory
    // that Rust knows of.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            object!("pushback_here", ".tbss.pushback_here", "\"awTG\",@nobits", "8", ".zero 16"),
            ".byte 0x66",
            "leaq pushback_here@tlsgd(%rip), %rdi",
            ".value 0x6666",
            "rex64",
            "call __tls_get_addr@PLT",
            out("rax") at, clobber_abi("C"), options(att_syntax),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            object!("pushback_here", ".tbss.pushback_here", "\"awTG\",@nobits", "8", ".zero 16"),
            "adrp x0, :tlsdesc:pushback_here",
            "ldr x1, [x0, :tlsdesc_lo12:pushback_here]",
            "add x0, x0, :tlsdesc_lo12:pushback_here",
            ".tlsdesccall pushback_here",
            "blr x1",
            "mrs x1, tpidr_el0",
            "add x0, x0, x1",
            out("x0") at, clobber_abi("C"),
        );
    }
    // SAFETY: this thread's, all zero at first, as long as it lives.
    unsafe { &*at }
}

/// The thread pointer: tells threads apart, and costs one instruction.
#[inline(always)]
pub(crate) fn thread() -> u64 {
    let own: u64;
    // SAFETY: both ABIs have it there.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("mov {}, fs:[0]", out(reg) own, options(pure, readonly, nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) own, options(pure, nomem, nostack, preserves_flags));
    }
    own
}
