// SPDX-License-Identifier: MIT
//! An adapter for arroyo's strategies, `watched.rs`: copy it into your consumer, which has the real
//! crate where this has `shape.rs`.
//!
//! Runs a chain of two until there is no line on standard input any more: watch it meanwhile with
//! `pushback top --path target/debug/examples/arroyo`.

mod shape;
mod watched;

extern crate self as sentry_arroyo;
pub use shape::{processing, types};

use sentry_arroyo::processing::strategies::*;
use sentry_arroyo::types::{Message, Partition};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watched::Watched;

type Polled = Result<Option<CommitRequest>, StrategyError>;

/// As arroyo's RunTask: carries over what the next one refuses, and refuses meanwhile.
struct Carry<N>(Option<Message<u64>>, N);

impl<N: ProcessingStrategy<u64>> ProcessingStrategy<u64> for Carry<N> {
    fn poll(&mut self) -> Polled {
        let polled = self.1.poll();
        if let Some(message) = self.0.take() {
            if let Err(SubmitError::MessageRejected(refused)) = self.1.submit(message) {
                self.0 = Some(refused.message);
            }
        }
        polled
    }
    fn submit(&mut self, message: Message<u64>) -> Result<(), SubmitError<u64>> {
        if self.0.is_some() {
            return Err(SubmitError::MessageRejected(MessageRejected { message }));
        }
        match self.1.submit(message) {
            Err(SubmitError::MessageRejected(refused)) => self.0 = Some(refused.message),
            other => return other,
        }
        Ok(())
    }
    fn terminate(&mut self) {
        self.1.terminate()
    }
    fn join(&mut self, timeout: Option<Duration>) -> Polled {
        self.poll()?;
        self.1.join(timeout)
    }
}

/// Takes a message each 20 ms.
struct Slow(Option<Instant>);

impl ProcessingStrategy<u64> for Slow {
    fn poll(&mut self) -> Polled {
        self.0 = self.0.filter(|taken| taken.elapsed() < Duration::from_millis(20));
        Ok(None)
    }
    fn submit(&mut self, message: Message<u64>) -> Result<(), SubmitError<u64>> {
        if message.payload == u64::MAX {
            let partition = Partition { index: 0 };
            return Err(SubmitError::InvalidMessage(InvalidMessage { partition, offset: 0 }));
        }
        if self.0.is_some() {
            return Err(SubmitError::MessageRejected(MessageRejected { message }));
        }
        self.0 = Some(Instant::now());
        Ok(())
    }
    fn terminate(&mut self) {}
    fn join(&mut self, _: Option<Duration>) -> Polled {
        Ok(None)
    }
}

fn main() {
    let ends = Arc::new(AtomicBool::new(false));
    let told = ends.clone();
    std::thread::spawn(move || {
        while std::io::stdin().read_line(&mut String::new()).unwrap_or(0) > 0 {}
        told.store(true, Relaxed);
    });
    let sink = Watched::new("sink", Box::new(Slow(None)));
    let mut chain = Watched::new("transform", Box::new(Carry(None, sink)));
    let mut message = Message { payload: 0 };
    while !ends.load(Relaxed) {
        chain.poll().unwrap();
        message = match chain.submit(message) {
            Ok(()) => Message { payload: 0 },
            Err(SubmitError::MessageRejected(refused)) => refused.message,
            Err(SubmitError::InvalidMessage(bad)) => panic!("{bad:?}"),
        };
        std::thread::sleep(Duration::from_millis(1));
    }
    chain.join(None).unwrap();
    chain.terminate();
}
