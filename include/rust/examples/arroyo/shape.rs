// SPDX-License-Identifier: MIT
//! What of arroyo the adapter touches, in the same shape, so that this needs no other crate.

pub mod types {
    #[derive(Clone, Copy, Debug)]
    pub struct Partition {
        pub index: u16,
    }

    #[derive(Clone, Debug)]
    pub struct Message<T> {
        pub payload: T,
    }
}

pub mod processing {
    pub mod strategies {
        use super::super::types::{Message, Partition};
        use std::collections::HashMap;
        use std::time::Duration;

        #[derive(Debug, Clone)]
        pub enum SubmitError<T> {
            MessageRejected(MessageRejected<T>),
            InvalidMessage(InvalidMessage),
        }

        #[derive(Debug, Clone)]
        pub struct MessageRejected<T> {
            pub message: Message<T>,
        }

        #[derive(Debug, Clone)]
        pub struct InvalidMessage {
            pub partition: Partition,
            pub offset: u64,
        }

        #[derive(Debug, Clone)]
        pub struct CommitRequest {
            pub positions: HashMap<u16, u64>,
        }

        #[derive(Debug)]
        pub enum StrategyError {
            InvalidMessage(InvalidMessage),
            Other(Box<dyn std::error::Error>),
        }

        pub trait ProcessingStrategy<T>: Send + Sync {
            fn poll(&mut self) -> Result<Option<CommitRequest>, StrategyError>;
            fn submit(&mut self, message: Message<T>) -> Result<(), SubmitError<T>>;
            fn terminate(&mut self);
            fn join(
                &mut self,
                timeout: Option<Duration>,
            ) -> Result<Option<CommitRequest>, StrategyError>;
        }

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
            fn join(
                &mut self,
                timeout: Option<Duration>,
            ) -> Result<Option<CommitRequest>, StrategyError> {
                (**self).join(timeout)
            }
        }
    }
}
