// SPDX-License-Identifier: MIT
//! Backpressure probes for stream consumers: `pushback.h` in Rust.
//!
//! A consumer is a chain of steps. A step that cannot take a message now refuses it, its caller keeps
//! the message and tries again: that is backpressure. Tell this crate how each submit and each poll
//! returned, and `pushback` (or bpftrace, perf, gdb: the probes are ordinary USDT) can attach to the
//! running consumer and say which step pushes back, how often and for how long.
//!
//! Nobody attached: a return costs one test of a counter. Somebody attached: the step accounts in
//! place, and a probe fires only when there is news, at most about 500 times a second and step,
//! however fast the consumer spins.
//!
//! # How to use it
//!
//! Around strategies that have a submit and a poll, and hold the next one inside, put [`Observed`]:
//! it tells all of this by itself. Where the code of a step is your own:
//!
//! ```
//! use pushback::{Outcome, Step};
//!
//! struct Transform<N> {
//!     step: Step,
//!     carried: Option<u64>,
//!     next: N,
//! }
//!
//! impl<N: FnMut(u64) -> Result<(), u64>> Transform<N> {
//!     fn submit(&mut self, message: u64) -> Result<(), u64> {
//!         if self.carried.is_some() {
//!             self.step.submit_return(Outcome::Rejected);
//!             return Err(message);
//!         }
//!         self.forward(message);
//!         self.step.submit_return(Outcome::Accepted);
//!         Ok(())
//!     }
//!
//!     fn poll(&mut self) {
//!         if let Some(message) = self.carried.take() {
//!             self.forward(message);
//!         }
//!         self.step.poll_return(self.carried.is_none());
//!     }
//!
//!     fn forward(&mut self, message: u64) {
//!         self.carried = (self.next)(message).err();
//!         let refused = self.carried.is_some();
//!         self.step.forward_return(if refused { Outcome::Rejected } else { Outcome::Accepted });
//!     }
//! }
//! # let mut t = Transform { step: Step::new("transform"), carried: None, next: Err };
//! # assert!(t.submit(1).is_ok() && t.submit(2).is_err());
//! # t.poll();
//! ```
//!
//! # The contract
//!
//! * One thread at a time drives a step, it may be another one each time. More than one at once is no
//!   undefined behaviour, but what is counted is wrong.
//! * `fork`: the child starts clean.
//! * No call allocates (but for one page a process and object, at the first watched return), locks,
//!   fails or changes errno. Only [`Step::new`] takes memory.
//! * One executable or library has one set of probes, whatever the number of crates and versions of
//!   this one in it, and shares it with C that includes `pushback.h`. Each step is driven by the
//!   object that its code is linked into. Rust's own `dylib` crates do not link: this must be inside of
//!   the executable or `cdylib` that uses it.
//! * Linux on x86-64 and aarch64, Rust 1.63, `no_std` with `alloc`; the C library is needed for
//!   `clock_gettime`.
//!
//! Units are nanoseconds of CLOCK_MONOTONIC, and plain counts. The layout of a step and the probes with
//! their arguments are those of `pushback.h`, whose manual holds for the rest.

#![no_std]
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("pushback: Linux on x86-64 and aarch64 only");

extern crate alloc;
#[cfg(test)]
extern crate std;

mod layout;
mod machine;
mod sites;
mod step;
mod strategy;
mod watch;

#[cfg(test)]
mod tests;

pub use layout::Record;
pub use step::{Outcome, Step};
pub use strategy::Observed;
