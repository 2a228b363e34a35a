// SPDX-License-Identifier: MIT
//! A crate that uses the probes. Built twice, with two versions of them.

use pushback::{Observed, Outcome, Record, Step};

static STATIC: Record = Record::new("static");

pub fn static_submit(accepts: bool) -> u64 {
    STATIC.submit_return(if accepts { Outcome::Accepted } else { Outcome::Rejected });
    &STATIC as *const Record as u64
}

pub type Next = Box<dyn FnMut(u64) -> bool>;

/// A wrapped step that hands on what it gets.
pub struct Layer {
    wrapped: Observed<Next>,
}

impl Layer {
    pub fn new(name: &str, next: Next) -> Layer {
        Layer { wrapped: Observed::new(name, next) }
    }

    pub fn submit(&mut self, message: u64) -> bool {
        self.wrapped.submit(
            |next| next(message),
            |&accepted| if accepted { Outcome::Accepted } else { Outcome::Rejected },
        )
    }

    pub fn place(&self) -> u64 {
        &**self.wrapped.step() as *const Record as u64
    }
}

pub fn never_called(step: &Step) {
    step.poll_enter();
    step.poll_return(true);
}
