// SPDX-License-Identifier: MIT
//! What a step knows of itself, call by call: plain.h, in Rust.

use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Rejected,
    Propagated,
    Invalid,
}

#[derive(Default)]
struct Direction {
    episodes: u64,
    abandoned: u64,
    open: bool,
}

impl Direction {
    fn turn(&mut self, opens: bool) {
        self.episodes += u64::from(self.open && !opens);
        self.open = opens;
    }

    fn end(&mut self) {
        self.abandoned += u64::from(self.open);
        self.open = false;
    }
}

#[derive(Default)]
struct Counts {
    submitted: [u64; 4],
    forwarded: u64,
    refused: u64,
    send: Direction,
    receive: Direction,
}

/// Shared by the step and whoever prints it; one thread drives the step.
#[derive(Clone, Default)]
pub struct Truth(Arc<Mutex<Counts>>);

impl Truth {
    pub fn submitted(&self, outcome: Outcome) {
        let mut counts = self.0.lock().unwrap();
        counts.submitted[outcome as usize] += 1;
        if outcome == Outcome::Accepted || outcome == Outcome::Rejected {
            counts.send.turn(outcome == Outcome::Rejected);
        }
    }

    pub fn forwarded(&self, outcome: Outcome) {
        if outcome == Outcome::Invalid {
            return;
        }
        let mut counts = self.0.lock().unwrap();
        let refused = outcome != Outcome::Accepted;
        counts.forwarded += u64::from(!refused);
        counts.refused += u64::from(refused);
        counts.receive.turn(refused);
    }

    pub fn ended(&self) {
        let mut counts = self.0.lock().unwrap();
        counts.send.end();
        counts.receive.end();
    }
}

/// All instances of one step, as a line of JSON.
pub fn print(step: &str, truths: &[Truth]) {
    let mut sums = [0; 10];
    for truth in truths {
        let c = truth.0.lock().unwrap();
        let of = [
            c.submitted[0],
            c.submitted[1],
            c.submitted[2],
            c.submitted[3],
            c.forwarded,
            c.refused,
            c.send.episodes,
            c.receive.episodes,
            c.send.abandoned,
            c.receive.abandoned,
        ];
        sums.iter_mut().zip(of).for_each(|(sum, count)| *sum += count);
    }
    let names = [
        "submit_accepted",
        "send_backpressure",
        "propagated",
        "invalid",
        "submit_forwarded",
        "receive_backpressure",
        "send_backpressure_episodes",
        "receive_backpressure_episodes",
        "send_backpressure_abandoned",
        "receive_backpressure_abandoned",
    ];
    let counts: Vec<_> = names.iter().zip(sums).map(|(n, c)| format!("\"{n}\": {c}")).collect();
    println!("{{\"step\": \"{step}\", {}}}", counts.join(", "));
}
