// SPDX-License-Identifier: MIT
//! Strategies of arroyo's shape, which know nothing of probes, and count what they do.

use crate::processing::strategies::*;
use crate::types::{Message, Partition};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub type Polled = Result<Option<CommitRequest>, StrategyError>;
pub type Submitted = Result<(), SubmitError<u64>>;
pub type Boxed = Box<dyn ProcessingStrategy<u64>>;

/// What a strategy knows of itself: accepted, rejected, propagated, forwarded, refused.
pub type Truth = Arc<[AtomicU64; 5]>;

fn add(truth: &Truth, what: usize) {
    truth[what].store(truth[what].load(Relaxed) + 1, Relaxed);
}

fn rejected(message: Message<u64>) -> Submitted {
    Err(SubmitError::MessageRejected(MessageRejected { message }))
}

fn forward(truth: &Truth, next: &mut Boxed, message: Message<u64>) -> Submitted {
    let result = next.submit(message);
    match result {
        Ok(()) => add(truth, 3),
        Err(SubmitError::MessageRejected(_)) => add(truth, 4),
        Err(SubmitError::InvalidMessage(_)) => {}
    }
    result
}

/// As arroyo's health check: all goes through.
pub struct Through(pub Truth, pub Boxed);

impl ProcessingStrategy<u64> for Through {
    fn poll(&mut self) -> Polled {
        self.1.poll()
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        let result = forward(&self.0, &mut self.1, message);
        match result {
            Ok(()) => add(&self.0, 0),
            Err(SubmitError::MessageRejected(_)) => add(&self.0, 2),
            Err(SubmitError::InvalidMessage(_)) => {}
        }
        result
    }
    fn terminate(&mut self) {
        self.1.terminate()
    }
    fn join(&mut self, timeout: Option<Duration>) -> Polled {
        self.1.join(timeout)
    }
}

/// As arroyo's RunTask: carries over what the next one refuses, and refuses meanwhile.
pub struct Task(Truth, Boxed, Option<Message<u64>>);

impl Task {
    pub fn new(truth: Truth, next: Boxed) -> Task {
        Task(truth, next, None)
    }

    fn hand_on(&mut self, message: Message<u64>) -> Submitted {
        match forward(&self.0, &mut self.1, message) {
            Err(SubmitError::MessageRejected(refused)) => self.2 = Some(refused.message),
            other => return other,
        }
        Ok(())
    }

    fn hand_on_carried(&mut self) {
        if let Some(message) = self.2.take() {
            let _ = self.hand_on(message);
        }
    }
}

impl ProcessingStrategy<u64> for Task {
    fn poll(&mut self) -> Polled {
        let polled = self.1.poll();
        self.hand_on_carried();
        polled
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        if self.2.is_some() {
            add(&self.0, 1);
            return rejected(message);
        }
        let result = self.hand_on(message);
        if result.is_ok() {
            add(&self.0, 0);
        }
        result
    }
    fn terminate(&mut self) {
        self.1.terminate()
    }
    /// As arroyo's Reduce: hot.
    fn join(&mut self, timeout: Option<Duration>) -> Polled {
        while self.2.is_some() {
            self.1.poll()?;
            self.hand_on_carried();
        }
        self.1.join(timeout)
    }
}

/// A copy to each branch; until all have it the next message is refused.
pub struct Broadcast {
    truth: Truth,
    branches: Vec<Boxed>,
    pending: Vec<Option<Message<u64>>>,
}

impl Broadcast {
    pub fn new(truth: Truth, branches: Vec<Boxed>) -> Broadcast {
        let pending = branches.iter().map(|_| None).collect();
        Broadcast { truth, branches, pending }
    }

    fn carries(&self) -> bool {
        self.pending.iter().any(Option::is_some)
    }

    fn offer_pending(&mut self) {
        for (branch, pending) in self.branches.iter_mut().zip(&mut self.pending) {
            let result = pending.take().map(|message| forward(&self.truth, branch, message));
            if let Some(Err(SubmitError::MessageRejected(refused))) = result {
                *pending = Some(refused.message);
            }
        }
    }
}

impl ProcessingStrategy<u64> for Broadcast {
    fn poll(&mut self) -> Polled {
        for branch in &mut self.branches {
            branch.poll()?;
        }
        self.offer_pending();
        Ok(None)
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        if self.carries() {
            add(&self.truth, 1);
            return rejected(message);
        }
        self.pending.iter_mut().for_each(|pending| *pending = Some(message.clone()));
        self.offer_pending();
        add(&self.truth, 0);
        Ok(())
    }
    fn terminate(&mut self) {
        self.branches.iter_mut().for_each(|branch| branch.terminate());
    }
    fn join(&mut self, _: Option<Duration>) -> Polled {
        while self.carries() {
            self.poll()?;
        }
        Ok(None)
    }
}

/// A sink's one slot, and the clock that frees it: ns since it was made.
pub struct Slot {
    origin: Instant,
    service: u64,
    taken_at: AtomicU64,
    free_at: AtomicU64,
}

impl Slot {
    pub fn new(service: Duration) -> Slot {
        let service = service.as_nanos() as u64;
        Slot { origin: Instant::now(), service, taken_at: 0.into(), free_at: 0.into() }
    }

    pub fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    pub fn taken_at(&self) -> u64 {
        self.taken_at.load(Relaxed)
    }

    /// As if it had been taken just now.
    pub fn restart(&self) {
        self.free_at.store(self.now() + self.service, Relaxed);
    }

    fn take(&self) {
        let now = self.now();
        self.taken_at.store(now, Relaxed);
        self.free_at.store(now + self.service, Relaxed);
    }

    fn free(&self) -> bool {
        self.now() >= self.free_at.load(Relaxed)
    }
}

/// Is busy for so long after each message, and takes none meanwhile; without a slot it takes all. Each
/// `bad`th is bad.
pub struct Sink {
    truth: Truth,
    slot: Option<Arc<Slot>>,
    busy: bool,
    bad: u64,
    last: u64,
}

impl Sink {
    pub fn new(truth: Truth, slot: Option<Arc<Slot>>, bad: u64) -> Sink {
        Sink { truth, slot, busy: false, bad, last: 0 }
    }
}

impl ProcessingStrategy<u64> for Sink {
    fn poll(&mut self) -> Polled {
        if let (true, Some(slot)) = (self.busy, &self.slot) {
            self.busy = !slot.free();
        }
        Ok(None)
    }
    fn submit(&mut self, message: Message<u64>) -> Submitted {
        if self.busy {
            add(&self.truth, 1);
            return rejected(message);
        }
        assert_eq!(message.payload, self.last + 1, "a message was lost, or came out of order");
        self.last = message.payload;
        if message.payload % self.bad == self.bad - 1 {
            let (partition, offset) = (Partition { index: 0 }, message.payload);
            return Err(SubmitError::InvalidMessage(InvalidMessage { partition, offset }));
        }
        add(&self.truth, 0);
        if let Some(slot) = &self.slot {
            self.busy = true;
            slot.take();
        }
        Ok(())
    }
    fn terminate(&mut self) {}
    fn join(&mut self, _: Option<Duration>) -> Polled {
        Ok(None)
    }
}
