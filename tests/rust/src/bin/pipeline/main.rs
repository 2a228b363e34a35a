// SPDX-License-Identifier: MIT
//! A spinning consumer of five boxed strategies of arroyo's shape, which know nothing of probes.
//!
//! pipeline truth MESSAGES SERVICE_NS
//!     Wrapped. Says "ready", waits for a line, drives them all, says what each strategy knows of
//!     itself: NAME ACCEPTED REJECTED PROPAGATED FORWARDED REFUSED, and waits for a line again.
//! pipeline wrapped|plain|metered chain|broadcast SERVICE_NS
//!     What tools/bench/pipeline/main.c is in C, and obeys the same lines.

#[path = "../../../../../include/rust/examples/arroyo/shape.rs"]
mod shape;
#[path = "../../../../../include/rust/examples/arroyo/watched.rs"]
mod watched;

mod metered;
mod strategies;

extern crate self as sentry_arroyo;
pub use shape::{processing, types};

use metered::{Metered, Registry};
use sentry_arroyo::processing::strategies::*;
use sentry_arroyo::types::Message;
use std::io::BufRead;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strategies::*;
use watched::Watched;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Wrapped,
    Metered,
}

struct Wrapper {
    kind: Kind,
    registry: Arc<Registry>,
    truth: Vec<(&'static str, Truth)>,
}

impl Wrapper {
    fn new(kind: Kind, names: &[&'static str]) -> Wrapper {
        let truth = names.iter().map(|name| (*name, Truth::default())).collect();
        Wrapper { kind, registry: Arc::new(Registry::new(names)), truth }
    }

    /// Made with the truth of this name; `before` is who hands on to it.
    fn wrap(
        &self,
        name: &str,
        before: Option<&'static str>,
        make: impl FnOnce(Truth) -> Boxed,
    ) -> Boxed {
        let (name, truth) = self.truth.iter().find(|one| one.0 == name).expect("a step");
        let strategy = make(truth.clone());
        match self.kind {
            Kind::Plain => strategy,
            Kind::Wrapped => Box::new(Watched::new(name, strategy)),
            Kind::Metered => Box::new(Metered::new(self.registry.clone(), name, before, strategy)),
        }
    }

    /// The two in front of it, too.
    fn in_front(&self, next: Boxed) -> Boxed {
        let next = self.wrap("enrich", Some("parse"), |truth| Box::new(Task::new(truth, next)));
        let next = self.wrap("parse", Some("check"), |truth| Box::new(Task::new(truth, next)));
        self.wrap("check", None, |truth| Box::new(Through(truth, next)))
    }

    fn chain(&self, slot: &Arc<Slot>, bad: u64) -> Boxed {
        let sink = |truth| -> Boxed { Box::new(Sink::new(truth, Some(slot.clone()), bad)) };
        let sink = self.wrap("sink", Some("batch"), sink);
        self.in_front(self.wrap("batch", Some("enrich"), |truth| Box::new(Task::new(truth, sink))))
    }

    fn broadcast(&self, slot: &Arc<Slot>) -> Boxed {
        let branches = [("sink", Some(slot.clone())), ("audit", None)].map(|(name, slot)| {
            let sink = |truth| -> Boxed { Box::new(Sink::new(truth, slot, u64::MAX)) };
            self.wrap(name, Some("broadcast"), sink)
        });
        let make = |truth| -> Boxed { Box::new(Broadcast::new(truth, branches.into())) };
        self.in_front(self.wrap("broadcast", Some("enrich"), make))
    }

    fn tell(&self) {
        for (name, truth) in &self.truth {
            let counts: Vec<_> = truth.iter().map(|n| n.load(Relaxed)).collect();
            let texts: Vec<_> = counts.iter().map(u64::to_string).collect();
            println!("{name} {}", texts.join(" "));
            if self.kind == Kind::Metered {
                assert_eq!(self.registry.sent(name), [counts[0], counts[1] + counts[2]], "{name}");
            }
        }
        println!("done");
    }
}

struct Consumer {
    wrapper: Wrapper,
    first: Mutex<Boxed>,
    slot: Arc<Slot>,
    carried: Option<Message<u64>>,
    refused_since: Option<Instant>,
    may_pause: bool,
    made: u64,
    loops: u64,
}

impl Consumer {
    fn new(wrapper: Wrapper, first: Boxed, slot: Arc<Slot>) -> Consumer {
        let first = Mutex::new(first);
        let (carried, refused_since) = (None, None);
        Consumer {
            wrapper,
            first,
            slot,
            carried,
            refused_since,
            may_pause: false,
            made: 0,
            loops: 0,
        }
    }

    fn chain(kind: Kind, service: Duration, bad: u64) -> Consumer {
        let wrapper = Wrapper::new(kind, &["check", "parse", "enrich", "batch", "sink"]);
        let slot = Arc::new(Slot::new(service));
        let first = wrapper.chain(&slot, bad);
        Consumer::new(wrapper, first, slot)
    }

    fn broadcast(kind: Kind, service: Duration) -> Consumer {
        let names = ["check", "parse", "enrich", "broadcast", "sink", "audit"];
        let wrapper = Wrapper::new(kind, &names);
        let slot = Arc::new(Slot::new(service));
        let first = wrapper.broadcast(&slot);
        Consumer::new(wrapper, first, slot)
    }

    /// One round of arroyo's processor: it holds its lock, and after a refusal it looks at the clock, since
    /// it pauses its source after a while.
    fn turn(&mut self) {
        self.loops += 1;
        let mut first = self.first.lock().expect("one thread");
        let _ = first.poll();
        let message = self.carried.take().unwrap_or_else(|| {
            self.made += 1;
            Message { payload: self.made }
        });
        match first.submit(message) {
            Err(SubmitError::MessageRejected(refused)) => {
                self.carried = Some(refused.message);
                let since = self.refused_since.get_or_insert_with(Instant::now);
                self.may_pause = since.elapsed() > Duration::from_secs(5);
            }
            _ => self.refused_since = None,
        }
    }

    fn taken(&self) -> u64 {
        let (_, truth) = self.wrapper.truth.iter().find(|one| one.0 == "sink").expect("a sink");
        truth[0].load(Relaxed)
    }

    /// Until the sink takes a message after that; says when it did.
    fn run_to(&mut self, until: u64) -> u64 {
        loop {
            self.turn();
            if self.slot.taken_at() >= until {
                return self.slot.taken_at();
            }
        }
    }

    fn measure(&mut self, warm_ms: u64, ms: u64) {
        self.slot.restart();
        let mut begin = self.slot.now();
        if warm_ms > 0 || self.made == 0 {
            begin = self.run_to(begin + warm_ms * 1_000_000);
        }
        let (taken, loops, cpu) = (self.taken(), self.loops, cpu_ns());
        let end = self.run_to(begin + ms * 1_000_000);
        let (taken, loops, cpu) = (self.taken() - taken, self.loops - loops, cpu_ns() - cpu);
        println!("{taken} {loops} {} {cpu}", end - begin);
    }

    fn finish(mut self) {
        let mut first = self.first.lock().expect("one thread");
        while let Some(message) = self.carried.take() {
            let _ = first.poll();
            if let Err(SubmitError::MessageRejected(refused)) = first.submit(message) {
                self.carried = Some(refused.message);
            }
        }
        let _ = first.join(None);
        drop(first);
        assert_eq!(self.taken(), self.made, "messages were lost");
        self.wrapper.tell();
    }
}

/// CPU time of this thread, which std does not tell.
fn cpu_ns() -> i64 {
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
    let mut time = [0; 2];
    // SAFETY: struct timespec on 64-bit Linux.
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time[0] * 1_000_000_000 + time[1]
}

fn line() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap_or(0);
    (read > 0).then_some(line)
}

fn truth(messages: u64, service: Duration) {
    let mut consumer = Consumer::chain(Kind::Wrapped, service, 1000);
    println!("ready");
    line();
    while consumer.made < messages {
        consumer.turn();
    }
    let _ = consumer.first.lock().expect("one thread").join(None);
    consumer.wrapper.tell();
    line();
}

fn bench(mut consumer: Consumer) {
    println!("ready");
    while let Some(line) = line() {
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        match (numbers.next(), numbers.next()) {
            (Some(warm_ms), Some(ms)) => consumer.measure(warm_ms, ms),
            _ => break,
        }
    }
    consumer.finish();
}

fn main() {
    let words: Vec<_> = std::env::args().collect();
    let number = |n: usize| words[n].parse().expect("a number");
    let service = Duration::from_nanos(number(3));
    let kind = match words[1].as_str() {
        "truth" => return truth(number(2), service),
        "wrapped" => Kind::Wrapped,
        "metered" => Kind::Metered,
        _ => Kind::Plain,
    };
    bench(match words[2].as_str() {
        "broadcast" => Consumer::broadcast(kind, service),
        _ => Consumer::chain(kind, service, u64::MAX),
    });
}
