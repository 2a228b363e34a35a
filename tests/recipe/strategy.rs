// SPDX-License-Identifier: MIT
//! A step as arroyo has them: a refused message is handed back. Runs until its stdin ends, or for as many
//! messages as its argument says; then it prints how many it has taken and refused.
use std::io::Write;

pub struct Message {
    pub payload: Vec<u8>,
    pub offset: u64,
}

pub enum SubmitError<T> {
    MessageRejected(T),
    InvalidMessage(u64),
}

pub trait ProcessingStrategy<T> {
    fn poll(&mut self) -> Result<Option<u64>, u64>;
    fn submit(&mut self, message: T) -> Result<(), SubmitError<T>>;
}

pub struct RunTask<N> {
    carried: Option<Message>,
    next: N,
    calls: u64,
}

impl<N: FnMut(&Message)> ProcessingStrategy<Message> for RunTask<N> {
    #[inline(never)]
    fn poll(&mut self) -> Result<Option<u64>, u64> {
        self.carried = None;
        Ok(Some(self.calls))
    }

    #[inline(never)]
    fn submit(&mut self, message: Message) -> Result<(), SubmitError<Message>> {
        self.calls += 1;
        if self.carried.is_some() {
            return Err(SubmitError::MessageRejected(message));
        }
        (self.next)(&message);
        if message.offset % 4 == 0 {
            self.carried = Some(message);
        }
        Ok(())
    }
}

fn main() {
    let most: Option<u64> = std::env::args().nth(1).map(|most| most.parse().unwrap());
    let (mut sum, mut accepted, mut rejected) = (0, 0, 0);
    let task = RunTask { carried: None, next: |m: &Message| sum += m.offset, calls: 0 };
    let mut step: Box<dyn ProcessingStrategy<Message>> = Box::new(task);
    if most.is_none() {
        std::thread::spawn(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).ok();
            std::process::exit(0);
        });
    }
    println!("ready");
    std::io::stdout().flush().ok();
    for offset in 0..most.unwrap_or(u64::MAX) {
        let message = Message { payload: vec![1, 2, 3], offset };
        match step.submit(message) {
            Ok(()) => accepted += 1,
            Err(SubmitError::MessageRejected(_)) => rejected += 1,
            Err(SubmitError::InvalidMessage(at)) => panic!("{at}"),
        }
        if offset % 3 == 0 {
            step.poll().ok();
        }
        if most.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    println!("{accepted} {rejected}");
}
