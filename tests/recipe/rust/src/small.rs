// SPDX-License-Identifier: MIT
//! Results so small that they are returned in registers, and enums in memory that are no Result.

use crate::truth::{Outcome, Truth};

pub enum Error {
    Full(u32),
    Bad,
}

pub enum Answer {
    Taken = 3,
    Full = 7,
    Bad = 200,
}

pub enum Verdict {
    Kept { at: [u64; 4] },
    Full(u8),
    Bad(u16),
    Late,
}

#[derive(Default)]
pub struct Small {
    pub queued: u32,
    pub truth: Truth,
}

#[derive(Default)]
pub struct Bare {
    pub queued: u32,
    pub truth: Truth,
}

#[derive(Default)]
pub struct Wide {
    pub queued: u32,
    pub truth: Truth,
}

/// Whether there is room, and the message is good; and it is counted.
fn take(queued: &mut u32, truth: &Truth, message: u32) -> Outcome {
    let outcome = match message {
        13 => Outcome::Invalid,
        _ if *queued >= 8 => Outcome::Rejected,
        _ => Outcome::Accepted,
    };
    *queued += u32::from(outcome == Outcome::Accepted);
    truth.submitted(outcome);
    outcome
}

impl Small {
    #[inline(never)]
    pub fn submit(&mut self, message: u32) -> Result<(), Error> {
        match take(&mut self.queued, &self.truth, message) {
            Outcome::Accepted => Ok(()),
            Outcome::Invalid => Err(Error::Bad),
            _ => Err(Error::Full(message)),
        }
    }
}

impl Bare {
    #[inline(never)]
    pub fn submit(&mut self, message: u32) -> Answer {
        match take(&mut self.queued, &self.truth, message) {
            Outcome::Accepted => Answer::Taken,
            Outcome::Invalid => Answer::Bad,
            _ => Answer::Full,
        }
    }
}

impl Wide {
    #[inline(never)]
    pub fn submit(&mut self, message: u32) -> Verdict {
        match take(&mut self.queued, &self.truth, message) {
            Outcome::Accepted => Verdict::Kept { at: [message.into(); 4] },
            Outcome::Invalid if message % 2 == 0 => Verdict::Late,
            Outcome::Invalid => Verdict::Bad(message as u16),
            _ => Verdict::Full(message as u8),
        }
    }
}
