// SPDX-License-Identifier: MIT
//! The state machine, row by row of its table.

use super::counts;
use crate::layout::*;
use crate::machine::*;

const MS: u64 = 1_000_000;
/// Long enough after zero that the rate bound's allowance is whole.
const START: u64 = 1_000_000 * MS;
const INVALID: u32 = 3;

fn fresh() -> Record {
    Record::new("step")
}

fn missed() -> Record {
    let s = fresh();
    miss_begin(&s);
    s
}

fn returns(s: &Record, direction: usize, outcome: u32, now: u64) -> u32 {
    match count(s, direction, outcome) {
        NO_EDGE => 0,
        edge => turn(s, direction, edge == OPENS, now),
    }
}

fn polled(s: &Record, is_ready: bool, now: u64) {
    if ready(s, is_ready) == CLOSES {
        turn(s, SEND, false, now);
    }
}

fn is_open(s: &Record, direction: usize) -> bool {
    s.state.get() & OPEN << direction != 0
}

fn ends(s: &Record, direction: usize) -> [u64; 3] {
    let d = &s.direction[direction];
    [d.closed.get(), d.partial.get(), d.abandoned.get()]
}

#[test]
fn a_rejection_opens_and_an_acceptance_closes() {
    let s = fresh();
    returns(&s, SEND, REJECTED, START);
    returns(&s, SEND, REJECTED, START + MS);
    assert!(is_open(&s, SEND));
    returns(&s, SEND, ACCEPTED, START + 5 * MS);
    assert!(!is_open(&s, SEND));
    assert_eq!(counts(&s), [1, 2, 0, 0]);
    assert_eq!(ends(&s, SEND), [1, 0, 0]);
    assert_eq!(s.direction[SEND].closed_ns.get(), 5 * MS);
    assert_eq!(s.direction[SEND].last.get(), 5 * MS);
    assert_eq!(s.self_ns.get(), 5 * MS);
}

#[test]
fn what_is_handed_through_or_bad_changes_nothing() {
    let s = fresh();
    for outcome in [PROPAGATED, INVALID, 4, u32::MAX] {
        returns(&s, SEND, outcome, START);
        assert!(!is_open(&s, SEND));
    }
    returns(&s, SEND, REJECTED, START);
    for outcome in [PROPAGATED, INVALID, 4, u32::MAX] {
        returns(&s, SEND, outcome, START + MS);
        assert!(is_open(&s, SEND));
    }
    assert_eq!(counts(&s), [0, 1, 0, 0]);
}

#[test]
fn to_the_caller_a_refusal_is_a_refusal() {
    for outcome in [REJECTED, PROPAGATED] {
        let s = fresh();
        returns(&s, RECEIVE, outcome, START);
        assert!(is_open(&s, RECEIVE) && !is_open(&s, SEND));
        returns(&s, RECEIVE, INVALID, START + MS);
        returns(&s, RECEIVE, ACCEPTED, START + 2 * MS);
        assert_eq!(counts(&s), [0, 0, 1, 1]);
        assert_eq!(ends(&s, RECEIVE), [1, 0, 0]);
        assert_eq!(s.self_ns.get(), 0);
    }
}

#[test]
fn a_ready_poll_ends_the_refusing_and_no_other() {
    let s = fresh();
    returns(&s, SEND, REJECTED, START);
    returns(&s, RECEIVE, REJECTED, START + MS);
    polled(&s, false, START + 2 * MS);
    assert!(is_open(&s, SEND));
    polled(&s, true, START + 3 * MS);
    assert!(!is_open(&s, SEND) && is_open(&s, RECEIVE));
    assert_eq!(s.direction[SEND].closed_ns.get(), 3 * MS);
    assert_eq!(s.self_ns.get(), MS, "self time stands still while blocked");
}

#[test]
fn what_began_unseen_is_partial() {
    let s = missed();
    returns(&s, SEND, REJECTED, START);
    returns(&s, SEND, ACCEPTED, START + MS);
    assert_eq!(ends(&s, SEND), [0, 1, 0]);
    assert_eq!(s.direction[SEND].partial_ns.get(), MS);
    returns(&s, SEND, REJECTED, START + 2 * MS);
    returns(&s, SEND, ACCEPTED, START + 3 * MS);
    assert_eq!(ends(&s, SEND), [1, 1, 0]);
}

#[test]
fn an_acceptance_makes_known_that_nothing_is_open() {
    let s = missed();
    assert_eq!(count(&s, SEND, ACCEPTED), CLOSES);
    turn(&s, SEND, false, START);
    assert_eq!(ends(&s, SEND), [0, 0, 0]);
    assert_eq!(count(&s, SEND, ACCEPTED), NO_EDGE);
    assert_eq!(s.state.get() & UNKNOWN, 0);
}

#[test]
fn an_end_abandons_what_is_open() {
    let s = missed();
    returns(&s, SEND, REJECTED, START);
    returns(&s, RECEIVE, REJECTED, START + MS);
    abandon(&s, START + 3 * MS);
    assert_eq!(ends(&s, SEND), [0, 0, 1]);
    assert_eq!(ends(&s, RECEIVE), [0, 0, 1]);
    assert_eq!(s.direction[SEND].abandoned_ns.get(), 3 * MS);
    assert_eq!(s.direction[RECEIVE].abandoned_ns.get(), 2 * MS);
    assert_eq!(s.self_ns.get(), MS);
    assert_eq!(s.self_since.get(), 0);
}

#[test]
fn one_edge_in_2_ms_fires_and_the_others_are_folded_exactly() {
    let s = fresh();
    let mut fired = 0;
    for i in 0..10_000 {
        let now = START + i * 10_000; // 100 cycles a ms, for 100 ms
        returns(&s, SEND, REJECTED, now);
        fired += u64::from(returns(&s, SEND, ACCEPTED, now + 5000) != 0);
    }
    let d = &s.direction[SEND];
    assert_eq!(2 * fired, 50 + BURST);
    assert_eq!(d.closed.get(), 10_000);
    assert_eq!(d.folded.get(), 10_000 - fired);
    assert_eq!(d.closed_ns.get(), 10_000 * 5000);
    assert_eq!(d.folded_ns.get(), d.folded.get() * 5000);
    assert_eq!(s.pick[SEND].ns.get(), 5000);
}

#[test]
fn directions_that_overlap_for_ever_are_cut_into_cycles() {
    let s = fresh();
    let mut fired = 0;
    returns(&s, SEND, REJECTED, START);
    for i in 1..1000 {
        let now = START + i * 1000;
        fired += u32::from(returns(&s, RECEIVE, REJECTED, now) != 0);
        returns(&s, SEND, ACCEPTED, now + 100);
        returns(&s, SEND, REJECTED, now + 200);
        returns(&s, RECEIVE, ACCEPTED, now + 300);
    }
    // Cycles of 16 edges, and 64 edges at once.
    assert_eq!(fired, 64 / 4);
}

#[test]
fn a_clock_that_goes_back_counts_as_standing_still() {
    let s = fresh();
    returns(&s, SEND, REJECTED, START);
    returns(&s, SEND, ACCEPTED, START - 1);
    assert_eq!(s.direction[SEND].closed_ns.get(), 0);
}

#[test]
fn a_new_watch_keeps_totals_and_forgets_the_rest() {
    let s = fresh();
    returns(&s, SEND, REJECTED, START);
    returns(&s, SEND, ACCEPTED, START + MS);
    returns(&s, SEND, REJECTED, START + 2 * MS);
    s.state.set(s.state.get() | MARKS | NAME_CUT);
    miss_begin(&s);
    assert_eq!(counts(&s), [1, 2, 0, 0]);
    assert_eq!(ends(&s, SEND), [0, 0, 0]);
    assert_eq!(s.direction[SEND].since.get(), 0);
    assert_eq!(s.state.get(), NAME_CUT | MARKS | UNKNOWN | UNKNOWN << 1);
}
