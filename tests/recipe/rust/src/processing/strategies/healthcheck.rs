// SPDX-License-Identifier: MIT
//! All goes through, refusals too; so it ends by a jump, and who drives it counts what it did.

use super::*;

pub struct HealthCheck<Next> {
    pub next_step: Next,
    pub truth: Truth,
}

impl<TPayload, Next> ProcessingStrategy<TPayload> for HealthCheck<Next>
where
    Next: ProcessingStrategy<TPayload>,
{
    #[inline(never)]
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        self.next_step.poll()
    }

    #[inline(never)]
    fn submit(&mut self, message: Message<TPayload>) -> Result<(), SubmitError<TPayload>> {
        self.next_step.submit(message)
    }

    fn terminate(&mut self) {
        self.next_step.terminate();
        self.truth.ended();
    }
}
