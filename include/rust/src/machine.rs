// SPDX-License-Identifier: MIT
//! The state machine of `pushback.h`, function by function under the same names: a plain struct, and
//! the time as an argument.

use crate::layout::*;

/// At most one fired edge in 2 ms in the long run, with an allowance of 64 at once. Cycles are told
/// whole or not at all, and pay for all of their edges.
pub(crate) const BOUND_NS: u64 = 2_000_000;
pub(crate) const BURST: u64 = 64;
/// Edges after which a cycle is cut: its directions may never be closed both at once.
pub(crate) const CYCLE_EDGES: u16 = 16;

// Outcomes as numbers, as `enum pushback_outcome` has them.
pub(crate) const ACCEPTED: u32 = 0;
pub(crate) const REJECTED: u32 = 1;
pub(crate) const PROPAGATED: u32 = 2;

/// The kernel's clock, read in BPF, may be a little behind the consumer's.
#[inline(always)]
pub(crate) fn since(then: u64, now: u64) -> u64 {
    now.saturating_sub(then)
}

/// Self time runs while the step refuses and is not itself blocked.
#[inline(always)]
fn self_time(s: &Record, now: u64) {
    let from = s.self_since.get();
    if from != 0 {
        s.self_ns.add(since(from, now));
    }
    s.self_since.set(if s.state.get() & OPEN_ANY == OPEN { now } else { 0 });
}

/// A cycle begins: is it one that fires? An allowance lets a consumer of few episodes tell each of
/// them, also when they come in bursts.
#[inline(always)]
fn cycle(s: &Record, now: u64) {
    let floor = now.wrapping_sub((BURST - 1) * BOUND_NS);
    let bound = s.bound.get();

    s.edges.set(0);
    s.state.set(s.state.get() & !CYCLE_FIRED);
    if bound > now {
        return;
    }
    s.state.set(s.state.get() | CYCLE_FIRED);
    if (bound.wrapping_sub(floor) as i64) < 0 {
        s.bound.set(floor);
    }
}

#[inline(always)]
fn open(s: &Record, direction: usize, now: u64) {
    if s.state.get() & OPEN_ANY == 0 {
        cycle(s, now);
    }
    let mut state = s.state.get();
    if state & UNKNOWN << direction != 0 {
        state |= PARTIAL << direction;
    }
    state &= !(UNKNOWN << direction);
    s.state.set(state | OPEN << direction);
    s.direction[direction].since.set(now);
}

/// The n-th replaces the one before with a chance of 1/n; the time's low bits are the dice.
#[inline(always)]
fn pick_one(pick: &Pick, took: u64, now: u64) {
    let dice = (now as u32).wrapping_mul(2654435761);

    pick.of.add(1);
    if u64::from(dice).wrapping_mul(pick.of.get()) >> 32 == 0 {
        pick.ns.set(took);
    }
}

/// Returns nonzero if the end is to be told whatever the cycle.
#[inline(always)]
fn close(s: &Record, direction: usize, now: u64) -> u32 {
    let d = &s.direction[direction];
    let state = s.state.get();
    let shown = state & SHOWN << direction;
    let took = since(d.since.get(), now);

    s.state.set(state & !((OPEN | PARTIAL | UNKNOWN | SHOWN) << direction));
    if state & OPEN << direction == 0 {
        return 0;
    }
    if state & PARTIAL << direction != 0 {
        d.partial_ns.add(took);
        d.partial.add(1);
        if shown != 0 || state & CYCLE_FIRED != 0 {
            s.state.set(s.state.get() | PARTED << direction);
        }
    } else {
        d.closed_ns.add(took);
        d.closed.add(1);
        d.last.set(took);
        if shown != 0 || state & CYCLE_FIRED != 0 {
            s.state.set(s.state.get() | SAMPLE << direction);
        } else {
            d.folded_ns.add(took);
            d.folded.add(1);
            pick_one(&s.pick[direction], took, now);
        }
    }
    d.since.set(0);
    shown
}

/// An edge: the direction opens, or is seen to be closed. Returns nonzero if it is to be told.
#[inline(always)]
pub(crate) fn turn(s: &Record, direction: usize, opens: bool, now: u64) -> u32 {
    let mut told = 0;

    if opens {
        open(s, direction, now);
    } else {
        told = close(s, direction, now);
    }
    if s.state.get() & CYCLE_FIRED != 0 {
        told |= CYCLE_FIRED;
        s.bound.set(s.bound.get().wrapping_add(BOUND_NS));
    }
    self_time(s, now);
    s.edges.add(1);
    if s.edges.get() >= CYCLE_EDGES && s.state.get() & OPEN_ANY != 0 {
        cycle(s, now);
    }
    told
}

/// The step is gone: what is open is abandoned, which wins over partial.
pub(crate) fn abandon(s: &Record, now: u64) {
    for d in &s.direction {
        let from = d.since.get();
        if from != 0 {
            d.abandoned_ns.add(since(from, now));
            d.abandoned.add(1);
            d.since.set(0);
        }
    }
    s.state.set(s.state.get() & !((OPEN | PARTIAL | SHOWN) * 3));
    self_time(s, now);
}

// What a return is to its direction.
pub(crate) const NO_EDGE: u32 = 0;
pub(crate) const OPENS: u32 = 1;
pub(crate) const CLOSES: u32 = 2;

/// Counts an outcome; which edge is it? Most returns are as the one before.
#[inline(always)]
pub(crate) fn count(s: &Record, direction: usize, outcome: u32) -> u32 {
    if outcome == ACCEPTED {
        (if direction == SEND { &s.accepted } else { &s.forwarded }).add(1);
        if s.state.get() & (OPEN | UNKNOWN) << direction != 0 {
            unlikely();
            return CLOSES;
        }
    } else if outcome == REJECTED || (direction == RECEIVE && outcome == PROPAGATED) {
        (if direction == SEND { &s.rejected } else { &s.refused }).add(1);
        if s.state.get() & OPEN << direction == 0 {
            unlikely();
            return OPENS;
        }
    }
    NO_EDGE
}

/// Moves what follows an unlikely condition out of line.
#[cold]
#[inline]
pub(crate) fn unlikely() {}

/// A poll that says "ready" ends the refusing; one that does not says nothing.
#[inline(always)]
pub(crate) fn ready(s: &Record, ready: bool) -> u32 {
    if ready && s.state.get() & (OPEN | UNKNOWN) != 0 {
        CLOSES
    } else {
        NO_EDGE
    }
}

/// A watch begins at a step that ran before: nothing is known of it. Totals stay.
pub(crate) fn miss_begin(s: &Record) {
    for direction in &s.direction {
        direction.refresh();
    }
    for pick in &s.pick {
        pick.of.set(0);
    }
    s.self_ns.set(0);
    s.self_since.set(0);
    s.state.set((s.state.get() & (NAME_CUT | MARKS)) | UNKNOWN | UNKNOWN << 1);
}
