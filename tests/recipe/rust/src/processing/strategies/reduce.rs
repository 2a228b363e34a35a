// SPDX-License-Identifier: MIT
//! Batches, of which only the last message is kept. It carries a batch over that is refused.

use super::*;

pub struct Reduce<T, TResult> {
    pub accumulator: fn(Message<T>) -> Message<TResult>,
    pub batch_size: usize,
    pub taken: usize,
    pub next_step: Next<TResult>,
    pub message_carried_over: Option<Message<TResult>>,
    pub truth: Truth,
}

impl<T: Send + Sync, TResult: Send + Sync> Reduce<T, TResult> {
    fn flush(&mut self, batch: Message<TResult>) -> Result<(), InvalidMessage> {
        hand_on(&self.truth, &mut self.next_step, batch, &mut self.message_carried_over)
    }
}

impl<T: Send + Sync, TResult: Send + Sync> ProcessingStrategy<T> for Reduce<T, TResult> {
    #[inline(never)]
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        let request = self.next_step.poll()?;
        if let Some(batch) = self.message_carried_over.take() {
            self.flush(batch).map_err(StrategyError::InvalidMessage)?;
        }
        Ok(request)
    }

    #[inline(never)]
    fn submit(&mut self, message: Message<T>) -> Result<(), SubmitError<T>> {
        if self.message_carried_over.is_some() {
            return rejected(&self.truth, message);
        }
        self.taken += 1;
        let batch = (self.accumulator)(message);
        if self.taken >= self.batch_size {
            self.taken = 0;
            if let Err(invalid) = self.flush(batch) {
                self.truth.submitted(Outcome::Invalid);
                return Err(SubmitError::InvalidMessage(invalid));
            }
        }
        self.truth.submitted(Outcome::Accepted);
        Ok(())
    }

    fn terminate(&mut self) {
        self.next_step.terminate();
        self.truth.ended();
    }
}
