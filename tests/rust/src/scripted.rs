// SPDX-License-Identifier: MIT
//! tests/progs/scripted.h: executes probe calls as told, and says when each was made.

use pushback::{Outcome, Record};
use std::cell::UnsafeCell;

pub const PLACES: usize = 1024;
pub const SEQUENCE: usize = 128;
const TRACED: usize = 16384;

pub const OPS: [&str; 8] =
    ["submit", "forward", "poll", "end", "submit_enter", "poll_enter", "depth", "spin"];

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Call {
    /// Of OPS.
    pub op: usize,
    pub place: usize,
    pub value: i32,
}

/// A sequence of calls, `times` times over. What was seen: of the calls in all, counted from 0.
#[repr(C)]
pub struct Job {
    pub call: [Call; SEQUENCE],
    pub length: usize,
    pub times: u64,

    /// The first call, after it, and after the last one.
    pub before: u64,
    pub second: u64,
    pub after: u64,
    pub fires: u64,
    pub first_fire: u64,
    pub last_fire: u64,
    /// Each call's beginning << 1 | whether it fired, up to TRACED calls; else unused.
    pub traced: usize,
    pub trace: [u64; TRACED],
}

impl Job {
    pub fn new() -> Box<Job> {
        Box::new(Job {
            call: [Call { op: 0, place: 0, value: 0 }; SEQUENCE],
            length: 0,
            times: 0,
            before: 0,
            second: 0,
            after: 0,
            fires: 0,
            first_fire: 0,
            last_fire: 0,
            traced: 0,
            trace: [0; TRACED],
        })
    }
}

/// What the driver asks of a library.
#[repr(C)]
pub struct Scripted {
    pub semaphore: extern "C" fn() -> u32,
    pub run: unsafe extern "C" fn(*mut Job),
    pub init: unsafe extern "C" fn(usize, *const u8, usize),
    /// Writes over the name.
    pub name: unsafe extern "C" fn(usize, *const u8, usize),
}

struct Places(UnsafeCell<[Record; PLACES]>);
// SAFETY: the driver's threads have steps of their own.
unsafe impl Sync for Places {}

#[allow(clippy::declare_interior_mutable_const)]
const NOBODY: Record = Record::new("");
static HERE: Places = Places(UnsafeCell::new([NOBODY; PLACES]));

fn at(place: usize) -> *mut Record {
    assert!(place < PLACES);
    HERE.0.get().cast::<Record>().wrapping_add(place)
}

#[repr(C)]
struct Timespec(i64, i64);

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

pub fn now() -> u64 {
    let mut t = Timespec(0, 0);
    // SAFETY: CLOCK_MONOTONIC.
    unsafe { clock_gettime(1, &mut t) };
    t.0 as u64 * 1_000_000_000 + t.1 as u64
}

extern "C" fn semaphore() -> u32 {
    let at: *const u16;
    // SAFETY: the crate defines it, hidden, in this object.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("lea {}, [rip + pushback_semaphore]", out(reg) at);
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("adrp {0}, pushback_semaphore", "add {0}, {0}, :lo12:pushback_semaphore",
            out(reg) at);
        at.read_volatile().into()
    }
}

unsafe extern "C" fn init(place: usize, name: *const u8, length: usize) {
    // SAFETY: the caller has the bytes, and drives the step or nobody does.
    unsafe { at(place).write(Record::from_bytes(std::slice::from_raw_parts(name, length))) }
}

unsafe extern "C" fn name(place: usize, bytes: *const u8, length: usize) {
    let name = at(place).cast::<u8>().wrapping_add(384);
    // SAFETY: as above; within the name.
    unsafe { name.copy_from_nonoverlapping(bytes, length.min(128)) }
}

fn outcome(value: i32) -> Outcome {
    match value {
        0 => Outcome::Accepted,
        1 => Outcome::Rejected,
        2 => Outcome::Propagated,
        _ => Outcome::Invalid,
    }
}

fn spin(us: i32) {
    let end = now() + us as u64 * 1000;
    while now() < end {}
}

fn do_call(s: &Record, call: &Call) {
    match OPS[call.op] {
        "submit" => s.submit_return(outcome(call.value)),
        "forward" => s.forward_return(outcome(call.value)),
        "poll" => s.poll_return(call.value != 0),
        "end" => s.end(),
        "submit_enter" => s.submit_enter(),
        "poll_enter" => s.poll_enter(),
        "depth" => s.depth(call.value as u64, 100),
        _ => spin(call.value),
    }
}

fn fired(s: &Record) -> u64 {
    let at = (s as *const Record).cast::<u64>().wrapping_add(80 / 8);
    // SAFETY: within the record, and aligned.
    unsafe { at.read_volatile() }
}

unsafe extern "C" fn run(job: *mut Job) {
    // SAFETY: the driver's, until this returns.
    let job = unsafe { &mut *job };
    let calls = job.times * job.length as u64;

    job.fires = 0;
    job.traced = if calls <= TRACED as u64 { calls as usize } else { 0 };
    job.before = now();
    for n in 0..calls {
        let call = &job.call[n as usize % job.length];
        // SAFETY: within HERE, and nobody writes over it meanwhile.
        let s = unsafe { &*at(call.place) };
        let (fired_before, began) = (fired(s), if job.traced > 0 { now() } else { 0 });
        do_call(s, call);
        let fires = OPS[call.op] != "end" && fired(s) != 0 && fired(s) != fired_before;
        if n == 0 {
            job.second = now();
        }
        if job.traced > 0 {
            job.trace[n as usize] = began << 1 | u64::from(fires);
        }
        if fires {
            if job.fires == 0 {
                job.first_fire = n;
            }
            job.fires += 1;
            job.last_fire = n;
        }
    }
    job.after = now();
}

pub const SCRIPTED_HERE: Scripted = Scripted { semaphore, run, init, name };
