// SPDX-License-Identifier: MIT
//! A function applied to each message. It carries over what the next step refuses, and refuses meanwhile.

use super::*;

pub struct RunTask<TTransformed, F> {
    pub function: F,
    pub next_step: Next<TTransformed>,
    pub message_carried_over: Option<Message<TTransformed>>,
    pub truth: Truth,
}

impl<TPayload, TTransformed, F> ProcessingStrategy<TPayload> for RunTask<TTransformed, F>
where
    TTransformed: Send + Sync,
    F: FnMut(Message<TPayload>) -> Result<Message<TTransformed>, SubmitError<TPayload>>
        + Send
        + Sync,
{
    #[inline(never)]
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        let request = self.next_step.poll()?;
        if let Some(message) = self.message_carried_over.take() {
            hand_on(&self.truth, &mut self.next_step, message, &mut self.message_carried_over)
                .map_err(StrategyError::InvalidMessage)?;
        }
        Ok(request)
    }

    #[inline(never)]
    fn submit(&mut self, message: Message<TPayload>) -> Result<(), SubmitError<TPayload>> {
        if self.message_carried_over.is_some() {
            return rejected(&self.truth, message);
        }
        let message = match (self.function)(message) {
            Ok(message) => message,
            Err(error) => {
                self.truth.submitted(Outcome::Invalid);
                return Err(error);
            }
        };
        let carried = &mut self.message_carried_over;
        match hand_on(&self.truth, &mut self.next_step, message, carried) {
            Ok(()) => self.truth.submitted(Outcome::Accepted),
            Err(invalid) => {
                self.truth.submitted(Outcome::Invalid);
                return Err(SubmitError::InvalidMessage(invalid));
            }
        }
        Ok(())
    }

    fn terminate(&mut self) {
        self.next_step.terminate();
        self.truth.ended();
    }
}
