use pushback::{Observed, Outcome};
use sentry_arroyo::processing::strategies::*;
use sentry_arroyo::types::Message;
use std::time::Duration;

/// `next = Watched::new("transform", Box::new(RunTask::new(f, next)))`, for each step of the chain.
pub struct Watched<T>(Observed<Box<dyn ProcessingStrategy<T>>>);

impl<T> Watched<T> {
    pub fn new(name: &str, strategy: Box<dyn ProcessingStrategy<T>>) -> Self {
        Watched(Observed::new(name, strategy))
    }
}

impl<T> ProcessingStrategy<T> for Watched<T> {
    fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError> {
        self.0.poll(|s| s.poll())
    }
    fn submit(&mut self, message: Message<T>) -> Result<(), SubmitError<T>> {
        let outcome = |result: &Result<(), SubmitError<T>>| match result {
            Ok(()) => Outcome::Accepted,
            Err(SubmitError::MessageRejected(_)) => Outcome::Rejected,
            Err(SubmitError::InvalidMessage(_)) => Outcome::Invalid,
        };
        self.0.submit(|s| s.submit(message), outcome)
    }
    fn terminate(&mut self) {
        self.0.around(|s| s.terminate())
    }
    fn join(&mut self, timeout: Option<Duration>) -> Result<Option<CommitRequest>, StrategyError> {
        self.0.around(|s| s.join(timeout))
    }
}
