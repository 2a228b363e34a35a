// SPDX-License-Identifier: MIT
//! Around strategies whose code is not ours.
//!
//! Each strategy of a chain is wrapped, boxed and opaque, with the next one (wrapped as well) inside of
//! it. So a wrapper sees its own strategy's submits from outside and, since it is what the strategy
//! before calls, that one's forwards, too: who that was is the innermost wrapped call that this thread
//! is inside of. Those calls are a list on the stack.

use crate::layout::Record;
use crate::machine::unlikely;
use crate::sites::{self, Here};
use crate::step::{Outcome, Step};
use crate::watch;
use core::cell::Cell;
use core::fmt;
use core::mem::{self, align_of, size_of, MaybeUninit};
use core::ptr;

/// A wrapped call that this thread is inside of. Versions of this crate in one object share the list: see
/// [`Here`] before you change what it looks like.
#[repr(C)]
pub(crate) struct Frame {
    record: *const Record,
    up: Cell<*const Frame>,
    /// A step inside of this call has refused.
    refused: Cell<bool>,
}

impl Frame {
    pub(crate) fn new(record: &Record, here: &Here) -> Self {
        let up = here.frame.get() as *const Frame;
        Frame { record, up: Cell::new(up), refused: Cell::new(false) }
    }

    /// From here to the guard's end this is the innermost call. The frame stays where it is meanwhile:
    /// the guard borrows it, and nobody but this file could forget the guard.
    #[inline(always)]
    pub(crate) fn enter(&self, here: &Here) -> Entered<'_> {
        self.set(here);
        Entered(self)
    }

    #[inline(always)]
    fn set(&self, here: &Here) {
        here.frame.set(self as *const Frame as usize);
    }

    #[inline(always)]
    fn leave(&self, here: &Here) {
        if here.frame.get() != self as *const Frame as usize {
            // Somebody switches stacks, and calls end in another order: nothing is known.
            unlikely();
            self.up.set(ptr::null());
        }
        here.frame.set(self.up.get() as usize);
    }

    fn record(&self) -> &Record {
        // SAFETY: its wrapper is borrowed as long as the frame is there.
        unsafe { &*self.record }
    }

    /// The wrapped call that this one was made by, once the guard has ended.
    pub(crate) fn caller(&self) -> Option<&Frame> {
        // SAFETY: it has not returned, since calls nest; the guard has seen to it.
        unsafe { self.up.get().as_ref() }
    }

    /// This submit returns: tells its step, and the one that called it.
    #[inline(always)]
    fn submitted(&self, here: &Here, mut outcome: Outcome) {
        if outcome == Outcome::Rejected && self.refused.get() {
            outcome = Outcome::Propagated;
        }
        if !watch::watched_still() {
            return self.submitted_unwatched(outcome);
        }
        let record = self.record();
        record.submit_returned(outcome);
        let at = record as *const Record as usize;
        if let Some(caller) = self.caller() {
            caller.hears_of(outcome);
            here.called.set(0);
            caller.record().forward_returned(at, outcome);
        } else {
            here.called.set(at);
        }
    }

    #[cold]
    #[inline(never)]
    fn submitted_unwatched(&self, outcome: Outcome) {
        self.record().leave();
        watch::miss(self.record());
        if let Some(caller) = self.caller() {
            caller.hears_of(outcome);
            watch::miss(caller.record());
        }
    }

    /// Of a submit inside of this call.
    #[inline(always)]
    fn hears_of(&self, outcome: Outcome) {
        if outcome.is_refusal() {
            self.refused.set(true);
        }
    }

    /// This poll returns.
    #[inline(always)]
    fn polled(&self, here: &Here, ready: bool) {
        if !watch::watched_still() {
            return self.polled_unwatched();
        }
        here.called.set(0);
        self.record().poll_returned(ready);
    }

    #[cold]
    #[inline(never)]
    fn polled_unwatched(&self) {
        self.record().leave();
        watch::miss(self.record());
    }
}

/// A copy of `result`, word by word: that is how it was written a moment ago. A processor that is made to
/// read wider than it wrote waits until the words have come to its cache, for a third of a submit's time.
///
/// # Safety
///
/// As for `ptr::read`; the other one is to be forgotten at once.
#[inline(always)]
unsafe fn taken_out<R>(result: &R) -> R {
    type Word = MaybeUninit<*const ()>;

    let words = size_of::<R>() / size_of::<Word>();
    let whole = size_of::<R>() % size_of::<Word>() == 0 && align_of::<R>() == align_of::<Word>();
    if !whole || words > WORDS {
        // SAFETY: the caller's.
        return unsafe { ptr::read(result) };
    }
    let from: *const Word = (result as *const R).cast();
    let mut taken = MaybeUninit::<R>::uninit();
    let to: *mut Word = taken.as_mut_ptr().cast();
    for n in 0..words {
        // SAFETY: inside of both, and a word may hold anything. Volatile ones are not read as one.
        unsafe { to.add(n).write(from.add(n).read_volatile()) };
    }
    // SAFETY: all of it was written.
    unsafe { taken.assume_init() }
}

/// Larger results are rarely on their way in a spin, and this would be long.
const WORDS: usize = 16;

pub(crate) struct Entered<'a>(&'a Frame);

impl<'a> Entered<'a> {
    /// The call has returned. On which thread, is asked anew.
    #[inline(always)]
    pub(crate) fn end(self) -> &'a Here {
        let here = sites::here();

        self.0.leave(here);
        mem::forget(self);
        here
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        // No return will take the mark away.
        self.0.record().leave();
        self.0.leave(sites::here());
    }
}

/// A poll of which only the end is told; unwinding is one, too, and it counts nothing. So the result need not
/// be held: the call writes it where our caller wants to have it.
struct Polling<'a>(&'a Frame);

impl Drop for Polling<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let here = sites::here();

        self.0.leave(here);
        self.0.polled(here, false);
    }
}

/// A strategy with a step of its own around it: any type with a submit and a poll of whatever
/// signatures, a `Box<dyn ...>` as well.
///
/// Give each call a closure that makes it, and `submit` one that says what its result means. The
/// wrapper tells the rest:
///
/// * the outcome of each submit. A refusal that leaves the strategy in the same call in which a wrapped
///   step inside of it has refused is that one's, handed through: [`Outcome::Propagated`].
/// * for the strategy it was called by, if that one is wrapped, what became of the message it handed
///   on: so what one step forwarded is what the next one accepted, whether that came to pass in its
///   submit, its poll or its join.
/// * that the thread is inside, and in which call.
///
/// Whether the strategy is ready cannot be seen from outside: its refusing ends with the next accepted
/// submit. Where you know, say so with [`poll_ready`](Self::poll_ready).
///
/// Nobody attached: one test of a counter a call, made before it. So a call that was under way when the
/// first observer came is not counted as it returns, where a [`Step`] that is told by hand would be; nor
/// is what such a call hands on, though the step that gets it counts it if it is entered after that. That
/// is at most one submit of each step, and whatever one long poll or join hands on to its end; from the
/// next call on all is exact. (To test after the call as well halves the turns of a consumer that spins
/// and nobody watches. And a refusal that leaves such a call would often be taken for the step's own.)
///
/// A strategy that hands on from another thread than it was called on is not seen to. Nor is one that
/// hands on to another language or library, whose steps another object has: around such a strategy let
/// `outcome` say [`Outcome::Propagated`] of what is not its own, and tell with
/// [`step()`](Self::step)[`.forward_return()`](Record::forward_return) what became of the message.
///
/// ```
/// use pushback::{Observed, Outcome};
///
/// trait Strategy {
///     fn submit(&mut self, message: u64) -> Result<(), u64>;
///     fn poll(&mut self);
/// }
///
/// struct Watched(Observed<Box<dyn Strategy>>);
///
/// impl Strategy for Watched {
///     fn submit(&mut self, message: u64) -> Result<(), u64> {
///         let outcome = |result: &Result<_, _>| match result {
///             Ok(()) => Outcome::Accepted,
///             Err(_) => Outcome::Rejected,
///         };
///         self.0.submit(|strategy| strategy.submit(message), outcome)
///     }
///
///     fn poll(&mut self) {
///         self.0.poll(|strategy| strategy.poll())
///     }
/// }
/// ```
pub struct Observed<S> {
    // First: a step ends before those that its strategy holds.
    step: Step,
    strategy: S,
}

impl<S> Observed<S> {
    /// A new step of this name around a strategy.
    pub fn new(name: &str, strategy: S) -> Self {
        Observed { step: Step::new(name), strategy }
    }

    /// Makes a submit. `outcome` says how it ended; of a refusal it need not know whose it is, and says
    /// [`Outcome::Rejected`].
    #[inline]
    pub fn submit<R>(
        &mut self,
        call: impl FnOnce(&mut S) -> R,
        outcome: impl FnOnce(&R) -> Outcome,
    ) -> R {
        if watch::watched() {
            return self.submit_watched(call, outcome);
        }
        // Before the call: nothing is left to do after it, and its result need not be moved.
        watch::miss(&self.step);
        call(&mut self.strategy)
    }

    fn submit_watched<R>(
        &mut self,
        call: impl FnOnce(&mut S) -> R,
        outcome: impl FnOnce(&R) -> Outcome,
    ) -> R {
        let here = sites::here();
        let frame = Frame::new(&self.step, here);
        let entered = frame.enter(here);
        watch::inside(&self.step, here, 1);
        let result = call(&mut self.strategy);
        let outcome = outcome(&result);
        let here = entered.end();
        frame.submitted(here, outcome);
        // SAFETY: forgotten at once.
        let taken = unsafe { taken_out(&result) };
        mem::forget(result);
        taken
    }

    /// Makes a poll.
    #[inline]
    pub fn poll<R>(&mut self, call: impl FnOnce(&mut S) -> R) -> R {
        if watch::watched() {
            return self.poll_watched(call);
        }
        watch::miss(&self.step);
        call(&mut self.strategy)
    }

    fn poll_watched<R>(&mut self, call: impl FnOnce(&mut S) -> R) -> R {
        let here = sites::here();
        let frame = Frame::new(&self.step, here);
        frame.set(here);
        let _polling = Polling(&frame);
        watch::inside(&self.step, here, 2);
        call(&mut self.strategy)
    }

    /// Makes a poll of a strategy of which can be seen whether it would accept a message after it:
    /// `ready` says that it would. `false` is also right for "don't know".
    #[inline]
    pub fn poll_ready<R>(
        &mut self,
        call: impl FnOnce(&mut S) -> R,
        ready: impl FnOnce(&S, &R) -> bool,
    ) -> R {
        if watch::watched() {
            return self.poll_ready_watched(call, ready);
        }
        watch::miss(&self.step);
        call(&mut self.strategy)
    }

    fn poll_ready_watched<R>(
        &mut self,
        call: impl FnOnce(&mut S) -> R,
        ready: impl FnOnce(&S, &R) -> bool,
    ) -> R {
        let here = sites::here();
        let frame = Frame::new(&self.step, here);
        let entered = frame.enter(here);
        watch::inside(&self.step, here, 2);
        let result = call(&mut self.strategy);
        let ready = ready(&self.strategy, &result);
        let here = entered.end();
        frame.polled(here, ready);
        // SAFETY: forgotten at once.
        let taken = unsafe { taken_out(&result) };
        mem::forget(result);
        taken
    }

    /// Makes any other call in which the strategy may hand messages on, such as a join. Who stays in it is
    /// seen as in a poll.
    #[inline]
    pub fn around<R>(&mut self, call: impl FnOnce(&mut S) -> R) -> R {
        if !watch::watched() {
            return call(&mut self.strategy);
        }
        let here = sites::here();
        let frame = Frame::new(&self.step, here);
        let _entered = frame.enter(here);
        watch::inside(&self.step, here, 2);
        call(&mut self.strategy)
    }

    /// The step, to tell its queue's depth for instance.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The strategy.
    pub fn get_ref(&self) -> &S {
        &self.strategy
    }

    /// The strategy. What is called through this is not seen.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.strategy
    }

    /// Ends the step and gives the strategy back.
    pub fn into_inner(self) -> S {
        self.strategy
    }
}

impl<S> fmt::Debug for Observed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("step", &self.step).finish_non_exhaustive()
    }
}
