// SPDX-License-Identifier: MIT
//! The trait, its results, and one strategy of each kind.

use crate::truth::{Outcome, Truth};
use crate::types::{Message, Partition};
use std::collections::HashMap;

pub mod commit_offsets;
pub mod healthcheck;
pub mod reduce;
pub mod run_task;
pub mod run_task_in_threads;

pub enum SubmitError<T> {
    MessageRejected(MessageRejected<T>),
    InvalidMessage(InvalidMessage),
}

pub struct MessageRejected<T> {
    pub message: Message<T>,
}

pub struct InvalidMessage {
    pub partition: Partition,
    pub offset: u64,
}

pub struct CommitRequest {
    pub positions: HashMap<Partition, u64>,
}

pub enum StrategyError {
    InvalidMessage(InvalidMessage),
    Other(Box<dyn std::error::Error>),
}

pub trait ProcessingStrategy<TPayload>: Send + Sync {
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError>;
    fn submit(&mut self, message: Message<TPayload>) -> Result<(), SubmitError<TPayload>>;
    fn terminate(&mut self);
}

pub type Next<T> = Box<dyn ProcessingStrategy<T>>;

impl<T, S: ProcessingStrategy<T> + ?Sized> ProcessingStrategy<T> for Box<S> {
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        (**self).poll()
    }

    fn submit(&mut self, message: Message<T>) -> Result<(), SubmitError<T>> {
        (**self).submit(message)
    }

    fn terminate(&mut self) {
        (**self).terminate()
    }
}

/// Refusals of the next step are `refusals`.
pub fn outcome_of<T>(result: &Result<(), SubmitError<T>>, refusals: Outcome) -> Outcome {
    match result {
        Ok(()) => Outcome::Accepted,
        Err(SubmitError::MessageRejected(_)) => refusals,
        Err(SubmitError::InvalidMessage(_)) => Outcome::Invalid,
    }
}

fn rejected<T>(truth: &Truth, message: Message<T>) -> Result<(), SubmitError<T>> {
    truth.submitted(Outcome::Rejected);
    Err(SubmitError::MessageRejected(MessageRejected { message }))
}

/// What the next step refuses is carried over; whether it was invalid.
fn hand_on<T>(
    truth: &Truth,
    next: &mut Next<T>,
    message: Message<T>,
    carried: &mut Option<Message<T>>,
) -> Result<(), InvalidMessage> {
    let result = next.submit(message);
    truth.forwarded(outcome_of(&result, Outcome::Rejected));
    match result {
        Ok(()) => Ok(()),
        Err(SubmitError::MessageRejected(rejected)) => {
            *carried = Some(rejected.message);
            Ok(())
        }
        Err(SubmitError::InvalidMessage(invalid)) => Err(invalid),
    }
}
