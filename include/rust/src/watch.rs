// SPDX-License-Identifier: MIT
//! What a watched return does, function by function as in `pushback.h`.

use crate::layout::*;
use crate::machine::*;
use crate::sites::{self, Here, Site};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::*};

// ---- The cold path ----

/// A look is at the coarse clock: it takes a fifth of the time of the other, some 5 ns, and stands still
/// for a tick of the kernel, 1 to 10 ms. One every 4 us costs next to nothing; who returns less often has
/// one at each return. Between two are at most 61 returns, after an edge 7.
const LOOK_NS: u64 = 4000;
const LOOK_MOST: u64 = 61;
const LOOK_EDGE: u64 = 7;
const TICK_NS: u64 = 500_000;
const BEAT_NS: u64 = 1_000_000_000;

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

fn read_clock(which: i32) -> u64 {
    let mut t = Timespec { sec: 0, nsec: 0 };

    // SAFETY: the C library's, with its struct of these platforms.
    unsafe { clock_gettime(which, &mut t) };
    t.sec as u64 * 1_000_000_000 + t.nsec as u64
}

fn clock() -> u64 {
    read_clock(1 /* CLOCK_MONOTONIC */)
}

/// The same clock as of the kernel's last tick.
fn clock_coarse() -> u64 {
    read_clock(6 /* CLOCK_MONOTONIC_COARSE */)
}

/// Without the C library's: they would change errno.
unsafe fn syscall(number: isize, args: [isize; 6]) -> isize {
    let result;
    // SAFETY: the caller's.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1],
            in("rdx") args[2], in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: the caller's.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") args[0] => result, in("x1") args[1],
            in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    result
}

const PAGE: isize = 4096;
#[cfg(target_arch = "x86_64")]
const SYS: [isize; 3] = [9, 11, 28]; // mmap, munmap, madvise
#[cfg(target_arch = "aarch64")]
const SYS: [isize; 3] = [222, 215, 233];

/// The page that holds the epoch. MADV_WIPEONFORK makes it zero in a forked child, and so the child's
/// first return finds the step's epoch to be another's. Never unmapped: its address makes instance
/// numbers unique over the life of the process, also when libraries come and go. Without memory the
/// fallback serves, in which a fork goes unseen.
fn epoch_page() -> &'static AtomicU64 {
    let none = sites::no_epoch() as *const AtomicU64 as *mut AtomicU64;
    let known = sites::epoch().load(Acquire);

    if known != none {
        // SAFETY: what is put there is never unmapped.
        return unsafe { &*known };
    }
    // SAFETY: a new page: read and write, private and anonymous, MADV_WIPEONFORK.
    let page = unsafe { syscall(SYS[0], [0, PAGE, 3, 0x22, -1, 0]) };
    if page < 0 && page > -4096 {
        return sites::no_epoch();
    }
    // SAFETY: the page is ours.
    unsafe { syscall(SYS[2], [page, PAGE, 18, 0, 0, 0]) };
    let at = page as *mut AtomicU64;
    match sites::epoch().compare_exchange(none, at, AcqRel, Acquire) {
        // SAFETY: as above; zero is a valid value.
        Ok(_) => unsafe { &*at },
        Err(other) => unsafe {
            syscall(SYS[1], [page, PAGE, 0, 0, 0, 0]);
            &*other
        },
    }
}

/// The present watch's epoch: a time, so that it is neither the parent's nor an EPOCH_ constant.
fn epoch_now(page: &AtomicU64, now: u64) -> u64 {
    page.compare_exchange(0, now, AcqRel, Acquire).map_or_else(|other| other, |_| now)
}

/// The first watched return of a watch: of a new step, of one that ran unwatched, of a forked one.
#[cold]
#[inline(never)]
pub(crate) fn begin(s: &Record) {
    let now = clock();
    let page = epoch_page();

    if s.epoch.get() != EPOCH_FRESH {
        miss_begin(s);
    }
    if s.instance.get() == 0 {
        let number = sites::instances().fetch_add(1, Relaxed).wrapping_add(1);
        let at = page as *const AtomicU64 as u64;
        s.instance.set(at >> 12 << 27 | (number & 0x7ff_ffff));
    }
    s.at.set((s as *const Record as u64 >> 6) as u32);
    s.watch_since.set(now);
    s.watch_accepted.set(s.accepted.get());
    s.watch_rejected.set(s.rejected.get());
    s.watch_forwarded.set(s.forwarded.get());
    s.watch_refused.set(s.refused.get());
    s.next.set(0);
    s.nexts.set(0);
    s.known.set(0);
    s.inside.set(0);
    s.bound.set(0);
    s.looked.set(0);
    s.fired.set(0);
    s.look_every.set(1);
    s.returns.set(0);
    s.countdown.set(0);
    s.state.set(s.state.get() | UNTOLD);
    s.epoch.set(epoch_now(page, now));
}

/// A forward to a step that was not told in this second is news: that is how observers learn the order
/// of steps. `nexts` has the second in its high bits, below them one for each step that was told; the
/// second decides which, so that no two share one for long.
const NEXT_BITS: u32 = 48;

#[inline(always)]
fn next_bit(s: &Record, next: usize) -> u64 {
    let second = (s.nexts.get() >> NEXT_BITS) as u32;
    let place = (next >> 6) as u32;
    let mut mixed = place.wrapping_add(second.wrapping_mul(2654435769)).wrapping_mul(2246822507);

    mixed = (mixed ^ mixed >> 15).wrapping_mul(3266489909);
    1 << ((u64::from(mixed) * u64::from(NEXT_BITS)) >> 32)
}

/// A new second: all of them are news again. Not back to the one before, where the coarse clock still is.
#[inline(always)]
fn next_second(s: &Record, now: u64) {
    let second = now >> 30;
    let known = s.nexts.get() >> NEXT_BITS;

    if (second ^ known) & 0xffff != 0 && ((second + 1) ^ known) & 0xffff != 0 {
        s.nexts.set(second << NEXT_BITS);
        s.known.set(0);
    }
}

/// Called, and not told. Only a forward's own site can tell it: where nobody listens, not tried for ever.
#[cold]
fn next_news(s: &Record, next: usize, site: Site, now: u64) -> u32 {
    let bit = next_bit(s, next);

    if s.nexts.get() & bit != 0 {
        return 0;
    }
    if sites::armed(site) {
        return UNTOLD;
    }
    if since(s.watch_since.get(), now) >= BEAT_NS {
        s.nexts.set(s.nexts.get() | bit);
    }
    0
}

/// Beside a step's address: observers have not heard of it.
const CALLED_NEWS: usize = 1;

/// A forward returns: which step was called? `called` is what was taken from [`sites::Here`].
#[inline(always)]
pub(crate) fn take_called(s: &Record, called: usize) -> usize {
    if (called >> 6) as u32 == s.known.get() {
        return called;
    }
    unlikely();
    if s as *const Record as usize == called {
        return 0;
    }
    if called != 0 && s.nexts.get() & next_bit(s, called) != 0 {
        s.known.set((called >> 6) as u32);
    } else if called != 0 {
        s.countdown.set(0);
        return called | CALLED_NEWS;
    }
    called
}

/// Fires, or keeps it for the next return.
fn tell(s: &Record, site: Site, value: u32, next: usize, now: u64) {
    s.state.set(s.state.get() | UNTOLD);
    if !sites::armed(site) {
        // Later on it is somebody attached to other sites only: no clock at each return.
        if now.wrapping_sub(s.watch_since.get()) < BEAT_NS
            || now.wrapping_sub(s.fired.get()) < BEAT_NS
        {
            s.countdown.set(0);
        }
        return;
    }
    s.state.set(s.state.get() & !UNTOLD);
    s.fired.set(now);
    if next != 0 {
        s.next.set(next as u64);
        s.nexts.set(s.nexts.get() | next_bit(s, next));
    }
    let (yes, no) = if site == Site::ForwardReturn {
        (s.forwarded.get(), s.refused.get())
    } else {
        (s.accepted.get(), s.rejected.get())
    };
    sites::fire_at(site, s, value, yes, no, next as u64);
    s.state.set(s.state.get() & !(SAMPLE | SAMPLE << 1 | PARTED | PARTED << 1 | BEAT | ENDED));
    s.pick[SEND].of.set(0);
    s.pick[RECEIVE].of.set(0);
}

/// How many returns until the next look: as many as went by in LOOK_NS, by the rate of the last tick.
/// After a sudden slow-down the next look is as many of the slow returns away, so it is few for all but who
/// spins: that is what a heartbeat can be late. An edge often brings a slow-down, so fewer follow it. Odd
/// numbers, or else a step that forwards and returns in turn would beat at the same site each time.
#[inline(always)]
fn look(s: &Record, edge: u32, now: u64) {
    let took = since(s.looked.get(), now);
    let mut every = u64::from(s.look_every.get());

    s.returns.add(if edge == NO_EDGE { every as u32 } else { 1 });
    if took >= TICK_NS {
        every = ((u64::from(s.returns.get()) * LOOK_NS / took) | 1).min(LOOK_MOST);
        s.look_every.set(every as u16);
        s.looked.set(now);
        s.returns.set(0);
    }
    if edge != NO_EDGE {
        every = every.min(LOOK_EDGE);
    }
    s.countdown.set(every as u32 - 1);
}

/// A return at which the clock is looked at: is there something to tell?
#[inline(always)]
fn seen(s: &Record, site: Site, called: usize, now: u64) -> u32 {
    let mut told = s.state.get() & UNTOLD;

    next_second(s, now);
    if called & CALLED_NEWS != 0 {
        told |= next_news(s, called, site, now);
    }
    if told == 0 && since(s.fired.get(), now) >= BEAT_NS {
        told = BEAT;
    }
    told
}

/// A return with an edge, or one at which the clock is looked at. `called`: by [`take_called`].
#[inline(never)]
pub(crate) fn news(s: &Record, site: Site, value: u32, edge: u32, called: usize) {
    let direction = if site == Site::ForwardReturn { RECEIVE } else { SEND };
    let mut now = if edge == NO_EDGE { clock_coarse() } else { clock() };
    let mut told = seen(s, site, called, now);

    // An end that is told with something else is no folded one: who hears of the step first, counts it.
    if told != 0 && edge == CLOSES {
        let open = s.state.get() & OPEN << direction;
        s.state.set(s.state.get() | (open * (SHOWN / OPEN)));
    }
    if edge != NO_EDGE {
        told |= turn(s, direction, edge == OPENS, now);
    }
    look(s, edge, now);
    if told == 0 {
        return;
    }
    if edge == NO_EDGE {
        now = clock();
    }
    s.state.set(s.state.get() | told & BEAT);
    // Not for the end of a shown one alone: directions that overlap would show each other for ever.
    if told & !(SHOWN | SHOWN << 1) != 0 {
        let open = s.state.get() & OPEN_ANY;
        s.state.set(s.state.get() | (open * (SHOWN / OPEN)));
    }
    tell(s, site, value, called & !CALLED_NEWS, now);
}

#[cold]
#[inline(never)]
pub(crate) fn end(s: &Record) {
    let now = clock();
    let here = sites::here();

    if s as *const Record as usize == here.called.get() {
        here.called.set(0);
    }
    abandon(s, now);
    s.state.set(s.state.get() | ENDED);
    // There is no next return to keep it for: any site that is armed may tell it.
    let site = [Site::StepEnd, Site::PollReturn, Site::ForwardReturn]
        .into_iter()
        .find(|&site| sites::armed(site))
        .unwrap_or(Site::SubmitReturn);
    tell(s, site, 0, 0, now);
}

// ---- The hot path ----

#[inline(always)]
pub(crate) fn watched() -> bool {
    if sites::semaphore() != 0 {
        unlikely();
        return true;
    }
    false
}

/// The same where it was so a moment ago.
#[inline(always)]
pub(crate) fn watched_still() -> bool {
    if sites::semaphore() == 0 {
        unlikely();
        return false;
    }
    true
}

/// Unwatched: what is open now will be forgotten, and what opens is not seen.
#[inline(always)]
pub(crate) fn miss(s: &Record) {
    if s.epoch.get() != EPOCH_MISSED {
        unlikely();
        s.epoch.set(EPOCH_MISSED);
    }
}

/// Is the step in a watch of this process?
#[inline]
pub(crate) fn known(s: &Record) -> bool {
    // SAFETY: what is put there is never unmapped.
    let page = unsafe { &*sites::epoch().load(Acquire) };

    s.epoch.get() == page.load(Relaxed)
}

/// Before a watched return is counted.
#[inline]
pub(crate) fn enter_watch(s: &Record) {
    if !known(s) {
        begin(s);
    }
}

#[inline(always)]
pub(crate) fn counted(s: &Record, site: Site, value: u32, edge: u32, called: usize) {
    if edge == NO_EDGE {
        let left = s.countdown.get().wrapping_sub(1);
        s.countdown.set(left);
        // Signed: if two threads do drive one step, it does not miss the zero for 2^32 returns.
        if left as i32 >= 0 {
            return;
        }
    }
    unlikely();
    news(s, site, value, edge, called);
}

#[inline]
pub(crate) fn inside(s: &Record, here: &Here, what: u64) {
    if s.state.get() & MARKS == 0 {
        unlikely();
        s.state.set(s.state.get() | MARKS);
    }
    s.inside.set(sites::thread() | what);
    here.called.set(0);
}
