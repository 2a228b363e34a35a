// SPDX-License-Identifier: MIT
//! The adapter, around strategies that do as they are told.

use super::{be_watched, counts};
use crate::strategy::Frame;
use crate::{sites, Observed, Outcome, Record};
use std::boxed::Box;
use std::fmt::Debug;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::string::ToString;
use std::vec::Vec;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Refusal {
    Full,
    Bad,
}

type Submitted = Result<(), Refusal>;

trait Strategy {
    fn submit(&mut self, message: u64) -> Submitted;
    fn poll(&mut self) {}
    fn counts(&self) -> Vec<[u64; 4]> {
        Vec::new()
    }
}

type Boxed = Box<dyn Strategy>;
struct Watched(Observed<Boxed>);

fn watched(strategy: impl Strategy + 'static) -> Boxed {
    Box::new(Watched(Observed::new("step", Box::new(strategy))))
}

impl Strategy for Watched {
    fn submit(&mut self, message: u64) -> Submitted {
        self.0.submit(
            |s| s.submit(message),
            |result| match result {
                Ok(()) => Outcome::Accepted,
                Err(Refusal::Full) => Outcome::Rejected,
                Err(Refusal::Bad) => Outcome::Invalid,
            },
        )
    }

    fn poll(&mut self) {
        self.0.poll(|s| s.poll())
    }

    fn counts(&self) -> Vec<[u64; 4]> {
        let mut all = self.0.get_ref().counts();
        all.insert(0, counts(self.0.step()));
        all
    }
}

/// The last one: takes so many, then refuses.
struct Sink(u64);

impl Strategy for Sink {
    fn submit(&mut self, message: u64) -> Submitted {
        match (message, self.0) {
            (666, _) => Err(Refusal::Bad),
            (_, 0) => Err(Refusal::Full),
            _ => {
                self.0 -= 1;
                Ok(())
            }
        }
    }
    fn poll(&mut self) {
        self.0 += 1;
    }
}

/// As a health check: all goes through.
struct Through(Boxed);

impl Strategy for Through {
    fn submit(&mut self, message: u64) -> Submitted {
        self.0.submit(message)
    }
    fn poll(&mut self) {
        self.0.poll()
    }
    fn counts(&self) -> Vec<[u64; 4]> {
        self.0.counts()
    }
}

/// As a task: carries one over and refuses meanwhile, hands it on in its poll.
struct Carries(Option<u64>, Boxed);

impl Strategy for Carries {
    fn submit(&mut self, message: u64) -> Submitted {
        if self.0.is_some() {
            return Err(Refusal::Full);
        }
        match self.1.submit(message) {
            Err(Refusal::Full) => self.0 = Some(message),
            other => return other,
        }
        Ok(())
    }
    fn poll(&mut self) {
        self.1.poll();
        if let Some(message) = self.0.take() {
            if self.1.submit(message) == Err(Refusal::Full) {
                self.0 = Some(message);
            }
        }
    }
    fn counts(&self) -> Vec<[u64; 4]> {
        self.1.counts()
    }
}

/// To two, and refuses if either does.
struct Both(Boxed, Boxed);

impl Strategy for Both {
    fn submit(&mut self, message: u64) -> Submitted {
        let first = self.0.submit(message);
        self.1.submit(message).and(first)
    }
    fn counts(&self) -> Vec<[u64; 4]> {
        [self.0.counts(), self.1.counts()].concat()
    }
}

/// Forwards of each step and acceptances of the next are the same, and so are refusals.
fn fits(all: &[[u64; 4]], propagated: &[u64]) {
    for (i, pair) in all.windows(2).enumerate() {
        assert_eq!(pair[0][2], pair[1][0], "forwarded({i}) in {all:?}");
        assert_eq!(pair[0][3], pair[1][1] + propagated[i], "refused({i}) in {all:?}");
    }
}

#[test]
fn a_refusal_is_the_own_one_of_who_made_it() {
    be_watched();
    let mut chain = watched(Through(watched(Through(watched(Sink(2))))));
    assert_eq!([(); 5].map(|_| chain.submit(1).is_ok()), [true, true, false, false, false]);
    let all = chain.counts();
    assert_eq!(all, [[2, 0, 2, 3], [2, 0, 2, 3], [2, 3, 0, 0]]);
    fits(&all, &[3, 0]);
}

#[test]
fn what_is_carried_over_is_handed_on_in_poll() {
    be_watched();
    let mut chain = watched(Carries(None, watched(Carries(None, watched(Sink(1))))));
    // Sink takes one, each of the two others carries one, the first refuses.
    assert_eq!([(); 4].map(|_| chain.submit(1).is_ok()), [true, true, true, false]);
    assert_eq!(chain.counts(), [[3, 1, 2, 1], [2, 1, 1, 1], [1, 1, 0, 0]]);
    // Each poll makes room for one more.
    for _ in 0..100 {
        chain.poll();
        let _ = chain.submit(1);
    }
    let all = chain.counts();
    assert_eq!(all[2][0], 101);
    fits(&all, &[0, 0]);
}

#[test]
fn a_branch_that_refuses_is_not_the_fork_that_refuses() {
    be_watched();
    let mut chain = watched(Both(watched(Sink(0)), watched(Sink(9))));
    assert!(chain.submit(1).is_err());
    assert_eq!(chain.counts(), [[0, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 0]]);
}

#[test]
fn bad_messages_count_nowhere() {
    be_watched();
    let mut chain = watched(Carries(None, watched(Sink(9))));
    assert_eq!(chain.submit(666), Err(Refusal::Bad));
    assert_eq!(chain.counts(), [[0; 4]; 2]);
}

#[test]
fn steps_between_that_are_not_wrapped_are_the_forwards_of_the_one_before() {
    be_watched();
    let mut chain = watched(Through(Box::new(Carries(None, watched(Sink(1))))));
    assert_eq!([(); 3].map(|_| chain.submit(1).is_ok()), [true, true, false]);
    // What was swallowed in between is no longer this step's business: it refused by itself.
    assert_eq!(chain.counts(), [[2, 1, 1, 1], [1, 1, 0, 0]]);
}

#[test]
fn a_panic_leaves_the_step_and_takes_the_mark_away() {
    be_watched();
    struct Panics;
    impl Strategy for Panics {
        fn submit(&mut self, _: u64) -> Submitted {
            panic!("as it should")
        }
        fn poll(&mut self) {
            panic!("as it should")
        }
    }
    let mut chain = Watched(Observed::new("step", watched(Panics)));
    let innermost = || sites::here().frame.get();
    for poll in [false, true] {
        let call = || match poll {
            true => chain.poll(),
            false => assert!(chain.submit(1).is_ok()),
        };
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert_eq!(innermost(), 0);
        assert_eq!(chain.0.step().inside.get(), 0);
        assert_eq!(chain.counts(), [[0; 4]; 2]);
    }
    chain.0.around(|_| assert_ne!(innermost(), 0));
    assert_eq!(innermost(), 0);
}

#[test]
fn each_call_is_marked_and_left() {
    be_watched();
    let mut step = Observed::new("step", 0);
    let record: *const Record = &**step.step();
    // SAFETY: the step is there until the end.
    let mark = || unsafe { (*record).inside.get() & 3 };
    assert_eq!(step.submit(|_| mark(), |_| Outcome::Accepted), 1);
    assert_eq!((mark(), step.poll(|_| mark()), mark()), (0, 2, 0));
    assert_eq!((step.around(|_| mark()), mark()), (2, 0));
}

#[test]
fn readiness_is_told_where_it_is_known() {
    be_watched();
    let mut step = Observed::new("step", 0);
    let refused = |_: &()| Outcome::Rejected;
    for (ready, open) in [(false, 1), (true, 0)] {
        step.submit(|_| (), refused);
        step.poll_ready(|_| (), |_, _| ready);
        assert_eq!(step.step().state.get() & crate::layout::OPEN, open);
    }
    assert_eq!(step.into_inner(), 0);
}

/// Once, and all of it.
fn comes_out<R: Clone + PartialEq + Debug>(result: R) {
    let mut step = Observed::new("step", ());
    assert_eq!(step.submit(|_| result.clone(), |_| Outcome::Accepted), result);
    assert_eq!(step.poll(|_| result.clone()), result);
    assert_eq!(step.poll_ready(|_| result.clone(), |_, _| true), result);
    assert_eq!(step.around(|_| result.clone()), result);
}

#[test]
fn results_of_each_size_come_out() {
    let counted = Rc::new(1);

    be_watched();
    comes_out(());
    comes_out(7u8);
    comes_out((7u64, 8u16, true));
    comes_out(1u128 << 100);
    comes_out([1u16, 2, 3]);
    comes_out(Some("text".to_string()));
    comes_out([1u64, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    comes_out(([1u64; 16], "text".to_string()));
    comes_out(Ok::<_, Box<str>>(counted.clone()));
    comes_out([counted.clone(), counted.clone(), counted.clone()]);
    assert_eq!(Rc::strong_count(&counted), 1);
}

/// As on two stacks of which each is left for the other.
#[test]
fn calls_that_do_not_nest_have_no_caller() {
    let record = Record::new("step");
    let outer = Frame::new(&record, sites::here());
    let outer_entered = outer.enter(sites::here());
    let inner = Frame::new(&record, sites::here());
    let inner_entered = inner.enter(sites::here());
    drop(outer_entered);
    assert!(Frame::new(&record, sites::here()).caller().is_none());
    drop(inner_entered);
    assert!(inner.caller().is_none() && outer.caller().is_none());

    let outer = Frame::new(&record, sites::here());
    let outer_entered = outer.enter(sites::here());
    let inner = Frame::new(&record, sites::here());
    drop(inner.enter(sites::here()));
    assert!(core::ptr::eq(inner.caller().unwrap(), &outer));
    drop(outer_entered);
    assert!(Frame::new(&record, sites::here()).caller().is_none());
}
