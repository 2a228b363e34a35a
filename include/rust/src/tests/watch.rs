// SPDX-License-Identifier: MIT
//! Watched returns in this process, where no site is armed.

use super::{be_watched, counts};
use crate::layout::*;
use crate::{sites, watch, Outcome, Record, Step};
use std::thread;

#[test]
fn a_first_watched_return_begins_the_watch() {
    let s = Step::new("step");
    be_watched();
    s.submit_return(Outcome::Rejected);
    assert_eq!(counts(&s), [0, 1, 0, 0]);
    assert!(watch::known(&s));
    assert_ne!(s.instance.get(), 0);
    assert_eq!(s.state.get() & (OPEN | PARTIAL | UNKNOWN), OPEN, "never called is not missed");
    assert_ne!(s.state.get() & UNTOLD, 0, "nobody could be told");
    assert_eq!(s.fired.get(), 0);
}

#[test]
fn a_step_that_ran_unwatched_is_missed() {
    let s = Step::new("step");
    watch::miss(&s);
    be_watched();
    s.submit_return(Outcome::Rejected);
    assert_eq!(s.state.get() & (OPEN | PARTIAL), OPEN | PARTIAL);
}

#[test]
fn instances_are_unique_over_threads() {
    be_watched();
    let mut seen: std::vec::Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                [(); 50].map(|_| {
                    let s = Step::new("step");
                    s.submit_return(Outcome::Accepted);
                    s.instance.get()
                })
            })
        })
        .flat_map(|t| t.join().unwrap())
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 200);
}

#[test]
fn an_ended_step_is_a_new_one_of_the_same_name() {
    be_watched();
    static STEP: Record = Record::new("static");
    STEP.submit_return(Outcome::Rejected);
    let first = STEP.instance.get();
    STEP.end();
    assert_eq!(counts(&STEP), [0; 4]);
    assert_eq!((STEP.epoch.get(), STEP.instance.get(), STEP.state.get()), (EPOCH_FRESH, 0, 0));
    STEP.submit_return(Outcome::Accepted);
    assert_ne!(STEP.instance.get(), first);
    assert_eq!(STEP.name(), b"static");
}

fn called() -> usize {
    sites::here().called.get()
}

#[test]
fn which_step_was_called_is_known_once_and_on_its_thread() {
    be_watched();
    let (one, two) = (Step::new("one"), Step::new("two"));
    two.submit_return(Outcome::Accepted);
    assert_eq!(called(), &*two as *const Record as usize);
    assert_eq!(thread::spawn(called).join().unwrap(), 0);
    one.forward_return(Outcome::Accepted);
    assert_eq!(called(), 0);
    two.submit_return(Outcome::Accepted);
    drop(two);
    assert_eq!(called(), 0, "a dropped step is forgotten");
}

#[test]
fn marks_tell_thread_and_call() {
    be_watched();
    let s = Step::new("step");
    s.submit_enter();
    assert_eq!(s.inside.get(), sites::thread() | 1);
    s.submit_return(Outcome::Accepted);
    assert_eq!(s.inside.get(), 0);
    s.poll_enter();
    assert_eq!(s.inside.get(), sites::thread() | 2);
    s.poll_return(false);
    assert_eq!(s.inside.get(), 0);
    assert_ne!(s.state.get() & MARKS, 0);
}

#[test]
fn depths_are_cut() {
    let s = Step::new("step");
    s.depth(3, 7);
    assert_eq!(s.depth.get(), 7 << 32 | 3);
    s.depth(u64::MAX, 1 << 40);
    assert_eq!(s.depth.get(), u64::MAX);
}

#[test]
fn many_threads_on_one_step_are_no_undefined_behaviour() {
    be_watched();
    static STEP: Record = Record::new("shared");
    let threads: std::vec::Vec<_> = (0..4)
        .map(|_| thread::spawn(|| (0..10_000).for_each(|_| STEP.submit_return(Outcome::Accepted))))
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert!((10_000..=40_000).contains(&STEP.accepted.get()));
}
