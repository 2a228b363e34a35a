// SPDX-License-Identifier: MIT
//! A spinning consumer of five boxed strategies of arroyo's shape, which know nothing of probes.
//!
//! pipeline truth MESSAGES SERVICE_NS
//!     Wrapped. Says "ready", waits for a line, drives them all, says what each strategy knows of
//!     itself: NAME ACCEPTED REJECTED PROPAGATED FORWARDED REFUSED, and waits for a line again.
//! pipeline bench wrapped|plain MS SERVICE_NS
//!     Says "ready", and for each line drives them so long and says MESSAGES LOOPS NS.

#[path = "../../../../include/rust/examples/arroyo/shape.rs"]
mod shape;
#[path = "../../../../include/rust/examples/arroyo/watched.rs"]
mod watched;

extern crate self as sentry_arroyo;
pub use shape::{processing, types};

use sentry_arroyo::processing::strategies::*;
use sentry_arroyo::types::{Message, Partition};
use std::io::BufRead;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watched::Watched;

type Polled = Result<Option<CommitRequest>, StrategyError>;
type Submitted = Result<(), SubmitError<u64>>;
type Boxed = Box<dyn ProcessingStrategy<u64>>;

/// What a strategy knows of itself: accepted, rejected, propagated, forwarded, refused.
type Truth = Arc<[AtomicU64; 5]>;

fn add(truth: &Truth, what: usize) {
    truth[what].store(truth[what].load(Relaxed) + 1, Relaxed);
}

fn rejected(message: Message<u64>) -> Submitted {
    Err(SubmitError::MessageRejected(MessageRejected { message }))
}

fn forward(truth: &Truth, next: &mut Boxed, message: Message<u64>) -> Submitted {
    let result = next.submit(message);
    match result {
        Ok(()) => add(truth, 3),
        Err(SubmitError::MessageRejected(_)) => add(truth, 4),
        Err(SubmitError::InvalidMessage(_)) => {}
    }
    result
}

/// As arroyo's health check: all goes through.
struct Through(Truth, Boxed);

impl ProcessingStrategy<u64> for Through {
    fn poll(&mut self) -> Polled {
        self.1.poll()
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        let result = forward(&self.0, &mut self.1, message);
        match result {
            Ok(()) => add(&self.0, 0),
            Err(SubmitError::MessageRejected(_)) => add(&self.0, 2),
            Err(SubmitError::InvalidMessage(_)) => {}
        }
        result
    }
    fn terminate(&mut self) {
        self.1.terminate()
    }
    fn join(&mut self, timeout: Option<Duration>) -> Polled {
        self.1.join(timeout)
    }
}

/// As arroyo's RunTask: carries over what the next one refuses, and refuses meanwhile.
struct Task(Truth, Boxed, Option<Message<u64>>);

impl Task {
    fn hand_on(&mut self, message: Message<u64>) -> Submitted {
        match forward(&self.0, &mut self.1, message) {
            Err(SubmitError::MessageRejected(refused)) => self.2 = Some(refused.message),
            other => return other,
        }
        Ok(())
    }

    fn hand_on_carried(&mut self) {
        if let Some(message) = self.2.take() {
            let _ = self.hand_on(message);
        }
    }
}

impl ProcessingStrategy<u64> for Task {
    fn poll(&mut self) -> Polled {
        let polled = self.1.poll();
        self.hand_on_carried();
        polled
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        if self.2.is_some() {
            add(&self.0, 1);
            return rejected(message);
        }
        let result = self.hand_on(message);
        if result.is_ok() {
            add(&self.0, 0);
        }
        result
    }
    fn terminate(&mut self) {
        self.1.terminate()
    }
    /// As arroyo's Reduce: hot.
    fn join(&mut self, timeout: Option<Duration>) -> Polled {
        while self.2.is_some() {
            self.1.poll()?;
            self.hand_on_carried();
        }
        self.1.join(timeout)
    }
}

/// Is busy for so long after each message, and takes none meanwhile. Each 1000th is bad.
struct Sink(Truth, Duration, Option<Instant>);

impl ProcessingStrategy<u64> for Sink {
    fn poll(&mut self) -> Polled {
        self.2 = self.2.filter(|taken| taken.elapsed() < self.1);
        Ok(None)
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        if self.2.is_some() {
            add(&self.0, 1);
            return rejected(message);
        }
        if message.payload % 1000 == 999 {
            let (partition, offset) = (Partition { index: 0 }, message.payload);
            return Err(SubmitError::InvalidMessage(InvalidMessage { partition, offset }));
        }
        add(&self.0, 0);
        self.2 = Some(Instant::now());
        Ok(())
    }
    fn terminate(&mut self) {}
    fn join(&mut self, _: Option<Duration>) -> Polled {
        Ok(None)
    }
}

struct Chain {
    first: Boxed,
    truth: Vec<(&'static str, Truth)>,
    carried: Option<Message<u64>>,
    made: u64,
    loops: u64,
}

impl Chain {
    fn new(service: Duration, wrapped: bool) -> Chain {
        let truth: Vec<(_, Truth)> = ["check", "parse", "enrich", "batch", "sink"]
            .map(|name| (name, Truth::default()))
            .into();
        let wrap = |n: usize, strategy: Boxed| -> Boxed {
            if wrapped {
                return Box::new(Watched::new(truth[n].0, strategy));
            }
            strategy
        };
        let of = |n: usize| truth[n].1.clone();
        let mut next = wrap(4, Box::new(Sink(of(4), service, None)));
        for n in [3, 2, 1] {
            next = wrap(n, Box::new(Task(of(n), next, None)));
        }
        let first = wrap(0, Box::new(Through(of(0), next)));
        Chain { first, truth, carried: None, made: 0, loops: 0 }
    }

    /// One round of arroyo's processor.
    fn turn(&mut self) {
        self.loops += 1;
        let _ = self.first.poll();
        let message = self.carried.take().unwrap_or_else(|| {
            self.made += 1;
            Message { payload: self.made }
        });
        if let Err(SubmitError::MessageRejected(refused)) = self.first.submit(message) {
            self.carried = Some(refused.message);
        }
    }
}

fn wait() -> bool {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap_or(0) > 0
}

fn truth(messages: u64, service: Duration) {
    let mut chain = Chain::new(service, true);
    println!("ready");
    wait();
    while chain.made < messages {
        chain.turn();
    }
    let _ = chain.first.join(None);
    for (name, truth) in &chain.truth {
        let counts: Vec<_> = truth.iter().map(|n| n.load(Relaxed).to_string()).collect();
        println!("{name} {}", counts.join(" "));
    }
    println!("done");
    wait();
}

fn bench(wrapped: bool, length: Duration, service: Duration) {
    let mut chain = Chain::new(service, wrapped);
    println!("ready");
    while wait() {
        let (made, loops, began) = (chain.made, chain.loops, Instant::now());
        while began.elapsed() < length {
            (0..64).for_each(|_| chain.turn());
        }
        let ns = began.elapsed().as_nanos();
        println!("{} {} {ns}", chain.made - made, chain.loops - loops);
    }
}

fn main() {
    let words: Vec<_> = std::env::args().collect();
    let number = |n: usize| words[n].parse().expect("a number");
    match words[1].as_str() {
        "truth" => truth(number(2), Duration::from_nanos(number(3))),
        _ => bench(
            words[2] == "wrapped",
            Duration::from_millis(number(3)),
            Duration::from_nanos(number(4)),
        ),
    }
}
