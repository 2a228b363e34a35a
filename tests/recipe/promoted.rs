// SPDX-License-Identifier: MIT
//! A step that is called directly: the compiler hands over what of it is read, not where it is.

use std::hint::black_box;

pub struct Step {
    pub queued: u32,
}

pub enum Error {
    MessageRejected([u64; 4]),
    InvalidMessage,
}

impl Step {
    #[inline(never)]
    fn submit(&self, message: u64) -> Result<(), Error> {
        if self.queued > 8 {
            return Err(Error::MessageRejected([message; 4]));
        }
        if black_box(message) == 3 {
            return Err(Error::InvalidMessage);
        }
        Ok(())
    }
}

fn main() {
    let step = Step { queued: std::env::args().count() as u32 };
    for message in 0..10 {
        black_box(step.submit(message).is_ok());
    }
}
