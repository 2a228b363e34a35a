// SPDX-License-Identifier: MIT
//! Tasks under way, of which there are so many and no more; here none of them takes a thread.

use super::*;
use std::collections::VecDeque;

pub struct RunTaskInThreads<TPayload, TTransformed> {
    pub task: fn(Message<TPayload>) -> Message<TTransformed>,
    pub concurrency: usize,
    pub handles: VecDeque<Message<TTransformed>>,
    pub next_step: Next<TTransformed>,
    pub message_carried_over: Option<Message<TTransformed>>,
    pub finished: fn() -> usize,
    pub truth: Truth,
}

impl<TPayload, TTransformed: Send + Sync> ProcessingStrategy<TPayload>
    for RunTaskInThreads<TPayload, TTransformed>
{
    #[inline(never)]
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        let request = self.next_step.poll()?;
        for _ in 0..(self.finished)() {
            let carried = self.message_carried_over.take();
            let message = match carried.or_else(|| self.handles.pop_front()) {
                Some(message) => message,
                None => break,
            };
            hand_on(&self.truth, &mut self.next_step, message, &mut self.message_carried_over)
                .map_err(StrategyError::InvalidMessage)?;
        }
        Ok(request)
    }

    #[inline(never)]
    fn submit(&mut self, message: Message<TPayload>) -> Result<(), SubmitError<TPayload>> {
        if self.message_carried_over.is_some() || self.handles.len() > self.concurrency {
            return rejected(&self.truth, message);
        }
        self.handles.push_back((self.task)(message));
        self.truth.submitted(Outcome::Accepted);
        Ok(())
    }

    fn terminate(&mut self) {
        self.next_step.terminate();
        self.truth.ended();
    }
}
