// SPDX-License-Identifier: MIT
//! In-process metrics around a strategy, as a framework has them: for each step and direction a counter
//! of attempts, labelled with step and outcome, and a timer of how long it was refused. Per attempt a look
//! at the clock, a look-up by labels and an atomic add; per episode an observation in a histogram. No lock
//! is taken and nothing is sent: frameworks do that, too.

use crate::processing::strategies::*;
use crate::strategies::{Boxed, Polled, Submitted};
use crate::types::Message;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Metric, step, outcome.
type Labels = (&'static str, &'static str, &'static str);

/// As in registries of metrics: fast, eight bytes at a time.
#[derive(Default)]
pub struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let words = bytes.chunks_exact(8);
        let rest = words.remainder();
        for word in words {
            self.add(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        rest.iter().for_each(|&byte| self.add(byte.into()));
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Default)]
struct Series {
    count: AtomicU64,
    sum: AtomicU64,
    buckets: [AtomicU64; 32],
}

#[derive(Default)]
pub struct Registry(HashMap<Labels, Series, BuildHasherDefault<Mix>>);

const OUTCOMES: [&str; 2] = ["accepted", "refused"];

/// Counter, timer.
const SEND: [&str; 2] = ["send_attempts", "send_duration"];
const RECEIVE: [&str; 2] = ["receive_attempts", "receive_duration"];

impl Registry {
    pub fn new(steps: &[&'static str]) -> Registry {
        let mut registry = Registry::default();
        for step in steps {
            for [counter, timer] in [SEND, RECEIVE] {
                registry.0.insert((timer, step, ""), Series::default());
                for outcome in OUTCOMES {
                    registry.0.insert((counter, step, outcome), Series::default());
                }
            }
        }
        registry
    }

    /// Submits that were accepted, and those that were not.
    pub fn sent(&self, step: &'static str) -> [u64; 2] {
        OUTCOMES.map(|outcome| self.0[&(SEND[0], step, outcome)].count.load(Relaxed))
    }

    fn attempt(&self, metrics: [&'static str; 2], of: &mut Side, accepted: bool) {
        let outcome = OUTCOMES[usize::from(!accepted)];
        let now = Instant::now();
        self.0[&(metrics[0], of.step, outcome)].count.fetch_add(1, Relaxed);
        if !accepted {
            of.since.get_or_insert(now);
        } else if let Some(since) = of.since.take() {
            self.observe((metrics[1], of.step, ""), now - since);
        }
    }

    fn observe(&self, timer: Labels, took: Duration) {
        let series = &self.0[&timer];
        let ns = took.as_nanos() as u64;
        series.count.fetch_add(1, Relaxed);
        series.sum.fetch_add(ns, Relaxed);
        series.buckets[((63 - (ns | 1).leading_zeros()) / 2) as usize].fetch_add(1, Relaxed);
    }
}

struct Side {
    step: &'static str,
    since: Option<Instant>,
}

/// Counts what its strategy was offered, and for the one before what became of what that offered.
pub struct Metered {
    registry: Arc<Registry>,
    send: Side,
    receive: Option<Side>,
    strategy: Boxed,
}

impl Metered {
    pub fn new(
        registry: Arc<Registry>,
        step: &'static str,
        before: Option<&'static str>,
        strategy: Boxed,
    ) -> Metered {
        let side = |step| Side { step, since: None };
        Metered { registry, send: side(step), receive: before.map(side), strategy }
    }
}

impl ProcessingStrategy<u64> for Metered {
    fn poll(&mut self) -> Polled {
        self.strategy.poll()
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        let result = self.strategy.submit(message);
        let accepted = result.is_ok();
        self.registry.attempt(SEND, &mut self.send, accepted);
        if let Some(side) = &mut self.receive {
            self.registry.attempt(RECEIVE, side, accepted);
        }
        result
    }
    fn terminate(&mut self) {
        self.strategy.terminate()
    }
    fn join(&mut self, timeout: Option<Duration>) -> Polled {
        self.strategy.join(timeout)
    }
}
