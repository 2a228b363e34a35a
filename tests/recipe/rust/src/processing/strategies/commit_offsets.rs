// SPDX-License-Identifier: MIT
//! The end of the chain. Unlike arroyo's, this one refuses now and then, and calls some invalid.

use super::*;
use crate::types::InnerMessage;

pub struct CommitOffsets {
    pub partitions: HashMap<Partition, u64>,
    pub roll: fn(u32) -> u32,
    pub is_invalid: fn(u32) -> bool,
    pub busy: u32,
    pub truth: Truth,
}

impl<T> ProcessingStrategy<T> for CommitOffsets {
    #[inline(never)]
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        self.busy = self.busy.saturating_sub((self.roll)(3));
        let positions = std::mem::take(&mut self.partitions);
        Ok((!positions.is_empty()).then_some(CommitRequest { positions }))
    }

    #[inline(never)]
    fn submit(&mut self, message: Message<T>) -> Result<(), SubmitError<T>> {
        if self.busy > 0 {
            return rejected(&self.truth, message);
        }
        let message = match message.inner_message {
            InnerMessage::BrokerMessage(message) => message,
            // A batch, which has no offset of its own.
            _ => {
                self.truth.submitted(Outcome::Accepted);
                return Ok(());
            }
        };
        let (partition, offset) = (message.partition, message.offset);
        self.busy = (self.roll)(5);
        if (self.is_invalid)(7) {
            self.truth.submitted(Outcome::Invalid);
            return Err(SubmitError::InvalidMessage(InvalidMessage { partition, offset }));
        }
        self.partitions.insert(partition, offset);
        self.truth.submitted(Outcome::Accepted);
        Ok(())
    }

    fn terminate(&mut self) {
        self.truth.ended();
    }
}
