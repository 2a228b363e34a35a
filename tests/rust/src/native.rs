// SPDX-License-Identifier: MIT
//! The middle of tests/progs/mixed_consumer.py's chain: three wrapped strategies behind a C ABI.
//!
//! gate (refuses each seventh offer by itself, hands all else through) -> carry (keeps what was refused,
//! refuses meanwhile) -> border (hands over to a function of the caller's). Each knows for itself what
//! it did; nothing of that comes from the probes.

#![deny(unsafe_op_in_unsafe_fn)]

use pushback::{Observed, Outcome};

type Submitted = Result<(), Refusal>;

#[derive(Clone, Copy)]
enum Refusal {
    Full,
    Bad,
}

/// What a strategy did, in the order of `native_end()`.
#[derive(Default)]
struct Truth {
    counts: [u64; 9],
    open: [bool; 2],
}

const ACCEPTED: usize = 0;
const REJECTED: usize = 1;
const PROPAGATED: usize = 2;
const FORWARDED: usize = 3;
const REFUSED: usize = 4;
const EPISODES: usize = 5; // and of the other direction
const ABANDONED: usize = 7; // likewise

impl Truth {
    fn count(&mut self, what: usize) {
        self.counts[what] += 1;
    }

    fn opens(&mut self, direction: usize) {
        self.open[direction] = true;
    }

    fn closes(&mut self, direction: usize, how: usize) {
        if std::mem::take(&mut self.open[direction]) {
            self.count(how + direction);
        }
    }

    fn accepted(&mut self) {
        self.count(ACCEPTED);
        self.closes(0, EPISODES);
    }

    fn rejected(&mut self) {
        self.count(REJECTED);
        self.opens(0);
    }

    /// What the next one said.
    fn handed_on(&mut self, result: Submitted) -> Submitted {
        match result {
            Ok(()) => {
                self.count(FORWARDED);
                self.closes(1, EPISODES);
            }
            Err(Refusal::Bad) => {}
            Err(_) => {
                self.count(REFUSED);
                self.opens(1);
            }
        }
        result
    }
}

trait Strategy {
    fn submit(&mut self, message: u64) -> Submitted;
    fn poll(&mut self);
    /// All ends: what is open is abandoned. Its truth, and those behind it.
    fn end(&mut self, all: &mut Vec<[u64; 9]>);
}

type Boxed = Box<dyn Strategy>;

struct Watched(Observed<Boxed>);

impl Watched {
    fn boxed(name: &str, strategy: impl Strategy + 'static) -> Boxed {
        Box::new(Watched(Observed::new(name, Box::new(strategy))))
    }
}

impl Strategy for Watched {
    fn submit(&mut self, message: u64) -> Submitted {
        let outcome = |result: &Submitted| match result {
            Ok(()) => Outcome::Accepted,
            Err(Refusal::Full) => Outcome::Rejected,
            Err(Refusal::Bad) => Outcome::Invalid,
        };
        self.0.submit(|s| s.submit(message), outcome)
    }
    fn poll(&mut self) {
        self.0.poll(|s| s.poll())
    }
    fn end(&mut self, all: &mut Vec<[u64; 9]>) {
        self.0.around(|s| s.end(all))
    }
}

fn ended(truth: &mut Truth, all: &mut Vec<[u64; 9]>) {
    truth.closes(0, ABANDONED);
    truth.closes(1, ABANDONED);
    all.push(truth.counts);
}

struct Gate(Truth, Boxed, u64);

impl Strategy for Gate {
    fn submit(&mut self, message: u64) -> Submitted {
        if message % 100 == 50 {
            return Err(Refusal::Bad);
        }
        self.2 += 1;
        if self.2 % 7 == 0 {
            self.0.rejected();
            return Err(Refusal::Full);
        }
        let result = self.1.submit(message);
        match self.0.handed_on(result) {
            Ok(()) => self.0.accepted(),
            Err(Refusal::Bad) => {}
            Err(_) => self.0.count(PROPAGATED),
        }
        result
    }
    fn poll(&mut self) {
        self.1.poll()
    }
    fn end(&mut self, all: &mut Vec<[u64; 9]>) {
        ended(&mut self.0, all);
        self.1.end(all)
    }
}

struct Carry(Truth, Boxed, Option<u64>);

impl Carry {
    fn hand_on(&mut self, message: u64) -> Submitted {
        let result = self.1.submit(message);
        match self.0.handed_on(result) {
            Err(Refusal::Bad) => result,
            Err(_) => {
                self.2 = Some(message);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl Strategy for Carry {
    fn submit(&mut self, message: u64) -> Submitted {
        if self.2.is_some() {
            self.0.rejected();
            return Err(Refusal::Full);
        }
        let result = self.hand_on(message);
        if result.is_ok() {
            self.0.accepted();
        }
        result
    }
    fn poll(&mut self) {
        self.1.poll();
        if let Some(message) = self.2.take() {
            let _ = self.hand_on(message);
        }
    }
    fn end(&mut self, all: &mut Vec<[u64; 9]>) {
        ended(&mut self.0, all);
        self.1.end(all)
    }
}

type Submit = extern "C" fn(u64) -> bool;
type Poll = extern "C" fn();

struct Border(Truth, Submit, Poll);

impl Strategy for Border {
    fn submit(&mut self, message: u64) -> Submitted {
        let accepted = (self.1)(message);
        let result = self.0.handed_on(if accepted { Ok(()) } else { Err(Refusal::Full) });
        match result {
            Ok(()) => self.0.accepted(),
            Err(_) => self.0.count(PROPAGATED),
        }
        result
    }
    fn poll(&mut self) {
        (self.2)()
    }
    fn end(&mut self, all: &mut Vec<[u64; 9]>) {
        ended(&mut self.0, all)
    }
}

/// What it hands on to has probes in another object, if any: its wrapper does not see them, and says by
/// itself whose the refusals are and what became of the message.
struct WatchedBorder(Observed<Border>);

impl Strategy for WatchedBorder {
    fn submit(&mut self, message: u64) -> Submitted {
        let outcome = |result: &Submitted| match result {
            Ok(()) => Outcome::Accepted,
            Err(_) => Outcome::Propagated,
        };
        let result = self.0.submit(|s| s.submit(message), outcome);
        self.0.step().forward_return(outcome(&result));
        result
    }
    fn poll(&mut self) {
        self.0.poll(|s| s.poll())
    }
    fn end(&mut self, all: &mut Vec<[u64; 9]>) {
        self.0.around(|s| s.end(all))
    }
}

pub struct Native(Boxed);

/// The chain, before that to which `submit` (accepted?) and `poll` lead.
#[no_mangle]
pub extern "C" fn native_new(submit: Submit, poll: Poll) -> *mut Native {
    let border = Border(Truth::default(), submit, poll);
    let border = Box::new(WatchedBorder(Observed::new("border", border)));
    let carry = Watched::boxed("carry", Carry(Truth::default(), border, None));
    let gate = Watched::boxed("gate", Gate(Truth::default(), carry, 0));
    Box::into_raw(Box::new(Native(gate)))
}

/// An outcome as `enum pushback_outcome` has them; of a refusal it does not tell whose it is.
///
/// # Safety
/// `chain` is native_new()'s, here and below.
#[no_mangle]
pub unsafe extern "C" fn native_submit(chain: *mut Native, message: u64) -> u32 {
    match unsafe { &mut *chain }.0.submit(message) {
        Ok(()) => 0,
        Err(Refusal::Full) => 1,
        Err(Refusal::Bad) => 3,
    }
}

/// # Safety
/// As above.
#[no_mangle]
pub unsafe extern "C" fn native_poll(chain: *mut Native) {
    unsafe { &mut *chain }.0.poll()
}

/// Ends the chain. `truth` gets what each strategy knows of itself: accepted, rejected, propagated,
/// forwarded, refused, and per direction the episodes closed and abandoned.
///
/// # Safety
/// As above, for the last time; `truth` has room for three.
#[no_mangle]
pub unsafe extern "C" fn native_end(chain: *mut Native, truth: *mut [[u64; 9]; 3]) {
    let mut chain = unsafe { Box::from_raw(chain) };
    let mut all = Vec::new();
    chain.0.end(&mut all);
    let all: [[u64; 9]; 3] = all.try_into().expect("three strategies");
    unsafe { truth.write(all) };
}
