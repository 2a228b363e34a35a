// SPDX-License-Identifier: MIT
//! The calls.

use crate::layout::*;
use crate::machine;
use crate::sites::{self, Site};
use crate::watch;
use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

/// How a submit ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Outcome {
    /// The step has the message.
    Accepted = 0,
    /// This step itself refused it.
    Rejected = 1,
    /// A later step's refusal, handed through.
    Propagated = 2,
    /// The message is bad; that says nothing about backpressure.
    Invalid = 3,
}

impl Outcome {
    /// Whether the caller keeps the message: to it a refusal is a refusal, whosever it is.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Outcome::Rejected | Outcome::Propagated)
    }
}

impl Record {
    /// This step's submit returns. `Accepted` closes the send episode, `Rejected` opens one;
    /// `Propagated` and `Invalid` change nothing.
    #[inline]
    pub fn submit_return(&self, outcome: Outcome) {
        if !watch::watched() {
            watch::miss(self);
            return;
        }
        sites::here().called.set(self as *const Record as usize);
        self.submit_returned(outcome);
    }

    /// The next step's submit, called by this one, returned. `Rejected` and `Propagated` open the
    /// receive episode, `Accepted` closes it.
    #[inline]
    pub fn forward_return(&self, outcome: Outcome) {
        if !watch::watched() {
            watch::miss(self);
            return;
        }
        self.forward_returned(sites::here().called.replace(0), outcome);
    }

    /// This step's poll returns; `ready`: a submit would be accepted now, which closes the send
    /// episode. Not knowing, do not call it, or say `false`, which changes nothing.
    #[inline]
    pub fn poll_return(&self, ready: bool) {
        if !watch::watched() {
            watch::miss(self);
            return;
        }
        sites::here().called.set(0);
        self.poll_returned(ready);
    }

    /// The step is destroyed: what is open is abandoned. Afterwards the memory may go, or be used again
    /// as a new instance of the same name. A [`Step`] that is dropped does this.
    #[inline]
    pub fn end(&self) {
        let cut = self.state.get() & NAME_CUT;

        if watch::watched() && watch::known(self) {
            watch::end(self);
        }
        self.clear();
        self.state.set(cut);
    }

    /// Optional: this thread enters the step's submit; [`submit_return`](Self::submit_return) takes the
    /// mark away. Finds steps that block instead of refusing, and makes sure of the order of steps.
    #[inline]
    pub fn submit_enter(&self) {
        if watch::watched() {
            watch::inside(self, sites::here(), 1);
        }
    }

    /// Optional: this thread enters the step's poll; [`poll_return`](Self::poll_return) takes the mark
    /// away.
    #[inline]
    pub fn poll_enter(&self) {
        if watch::watched() {
            watch::inside(self, sites::here(), 2);
        }
    }

    /// Takes an enter mark away, where no return does.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.inside.set(0);
    }

    /// Optional: the step's queue holds `n` messages, of `capacity` (0: unknown). Cut at 2^32 - 1.
    #[inline]
    pub fn depth(&self, n: u64, capacity: u64) {
        let most = u64::from(u32::MAX);

        self.depth.set(n.min(most) | capacity.min(most) << 32);
    }
}

/// The same, watched; what [`Here`](sites::Here) says is up to the caller.
impl Record {
    #[inline(always)]
    pub(crate) fn submit_returned(&self, outcome: Outcome) {
        watch::enter_watch(self);
        self.inside.set(0);
        let value = outcome as u32;
        let edge = machine::count(self, SEND, value);
        watch::counted(self, Site::SubmitReturn, value, edge, 0);
    }

    /// `called`: the step whose submit that was, or 0.
    #[inline(always)]
    pub(crate) fn forward_returned(&self, called: usize, outcome: Outcome) {
        watch::enter_watch(self);
        let called = watch::take_called(self, called);
        let value = outcome as u32;
        let edge = machine::count(self, RECEIVE, value);
        watch::counted(self, Site::ForwardReturn, value, edge, called);
    }

    #[inline(always)]
    pub(crate) fn poll_returned(&self, ready: bool) {
        watch::enter_watch(self);
        self.inside.set(0);
        let edge = machine::ready(self, ready);
        watch::counted(self, Site::PollReturn, u32::from(ready), edge, 0);
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("name", &alloc::string::String::from_utf8_lossy(self.name()))
            .finish()
    }
}

/// A step that owns its memory, a [`Record`] with the calls: it may be moved. Dropped, it ends.
pub struct Step {
    record: NonNull<Record>,
}

// SAFETY: it owns a Record, which is both.
unsafe impl Send for Step {}
// SAFETY: as above.
unsafe impl Sync for Step {}

impl Step {
    /// A step that was never called. Names are what observers show and what metrics are labelled with;
    /// 127 bytes are kept. Instances of one name are added up.
    pub fn new(name: &str) -> Self {
        Self::from_bytes(name.as_bytes())
    }

    /// The same with a name that may not be UTF-8.
    pub fn from_bytes(name: &[u8]) -> Self {
        let record = Box::new(Record::from_bytes(name));
        Step { record: NonNull::from(Box::leak(record)) }
    }
}

impl Deref for Step {
    type Target = Record;

    #[inline]
    fn deref(&self) -> &Record {
        // SAFETY: ours until we are dropped, and never borrowed mutably.
        unsafe { self.record.as_ref() }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.end();
        // SAFETY: made by from_bytes(), and nobody borrows it any more.
        drop(unsafe { Box::from_raw(self.record.as_ptr()) });
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
