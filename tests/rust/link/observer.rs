// SPDX-License-Identifier: MIT
//! Watches the object that it is linked into: raises the semaphore, and puts a breakpoint of its own
//! on each site, as the kernel would.

use std::os::raw::{c_int, c_void};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fire {
    /// 0 submit_return, 1 forward_return, 2 poll_return, 3 step_end.
    pub site: usize,
    pub place: u64,
    pub value: u64,
    pub yes: u64,
    pub next: u64,
}

const MOST: usize = 64;
const NONE: Fire = Fire { site: 0, place: 0, value: 0, yes: 0, next: 0 };
static mut FIRES: [Fire; MOST] = [NONE; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" {
    fn mprotect(at: usize, size: usize, protection: c_int) -> c_int;
    fn sigaction(number: c_int, new: *const Action, old: *mut c_void) -> c_int;
}

#[repr(C)]
struct Action {
    handler: extern "C" fn(c_int, *mut c_void, *mut u64),
    mask: [u64; 16],
    flags: c_int,
    restorer: usize,
}

macro_rules! address {
    ($symbol:literal) => {{
        let at: usize;
        unsafe { std::arch::asm!(concat!("lea {}, [rip + ", $symbol, "]"), out(reg) at) };
        at
    }};
}

fn sites() -> [usize; 4] {
    [
        address!("pushback_fire_submit_return"),
        address!("pushback_fire_forward_return"),
        address!("pushback_fire_poll_return"),
        address!("pushback_fire_step_end"),
    ]
}

pub fn semaphore() -> &'static AtomicU16 {
    unsafe { &*(address!("pushback_semaphore") as *const AtomicU16) }
}

/// The breakpoint is the whole instruction, so what comes next is the return.
extern "C" fn trap(_: c_int, _: *mut c_void, context: *mut u64) {
    let register = |n: usize| unsafe { *context.add(5 + n) };
    let site = match sites().iter().position(|&at| at as u64 + 1 == register(16)) {
        Some(site) => site,
        None => std::process::abort(),
    };
    let n = COUNT.fetch_add(1, SeqCst);
    if n < MOST {
        let (place, value, yes, next) = (register(8), register(12), register(14), register(1));
        unsafe { FIRES[n] = Fire { site, place, value, yes, next } };
    }
}

fn write(code: u8) {
    for at in sites() {
        unsafe {
            assert_eq!(mprotect(at & !4095, 4096, 7), 0);
            (at as *mut u8).write_volatile(code);
        }
    }
}

pub fn attach() {
    // SIGTRAP, SA_SIGINFO
    let action = Action { handler: trap, mask: [0; 16], flags: 4, restorer: 0 };
    assert_eq!(unsafe { sigaction(5, &action, std::ptr::null_mut()) }, 0);
    COUNT.store(0, SeqCst);
    write(0xcc);
    semaphore().store(4, SeqCst);
}

pub fn detach() {
    semaphore().store(0, SeqCst);
    write(0x90);
}

pub fn count() -> usize {
    COUNT.load(SeqCst)
}

pub fn fires() -> Vec<Fire> {
    (0..count().min(MOST)).map(|n| unsafe { FIRES[n] }).collect()
}
