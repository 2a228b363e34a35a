// SPDX-License-Identifier: MIT
//! `struct pushback_step`: what observers read from outside, at any time, with `process_vm_readv`.
//!
//! Every word that changes is a relaxed atomic: one load or one store, which is what an ordinary
//! integer costs, no tearing, and no safe use of a shared step is undefined. They are no
//! read-modify-writes: two threads that drive one step at once lose counts.

use core::mem::{align_of, size_of};
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What a step that was never called has there.
#[allow(clippy::declare_interior_mutable_const)]
pub(crate) trait Fresh {
    const FRESH: Self;
    /// Makes it that again. Observers may read meanwhile.
    fn refresh(&self);
}

macro_rules! word {
    ($name:ident, $atomic:ident, $integer:ident) => {
        #[repr(transparent)]
        pub(crate) struct $name($atomic);

        #[allow(dead_code)]
        impl $name {
            pub(crate) const fn new(value: $integer) -> Self {
                Self($atomic::new(value))
            }
            #[inline(always)]
            pub(crate) fn get(&self) -> $integer {
                self.0.load(Relaxed)
            }
            #[inline(always)]
            pub(crate) fn set(&self, value: $integer) {
                self.0.store(value, Relaxed)
            }
            #[inline(always)]
            pub(crate) fn add(&self, n: $integer) {
                self.set(self.get().wrapping_add(n))
            }
        }

        impl Fresh for $name {
            const FRESH: Self = Self::new(0);
            fn refresh(&self) {
                self.set(0);
            }
        }
    };
}
word!(Word16, AtomicU16, u16);
word!(Word32, AtomicU32, u32);
word!(Word64, AtomicU64, u64);

/// A word that is always the same: by these a step is known for one.
macro_rules! constant {
    ($name:ident, $word:ident, $value:expr) => {
        #[repr(transparent)]
        pub(crate) struct $name($word);

        impl Fresh for $name {
            const FRESH: Self = Self($word::new($value));
            fn refresh(&self) {
                self.0.set($value);
            }
        }
    };
}
constant!(Magic, Word32, 0x7075_6c6c);
constant!(Version, Word16, 1);
constant!(Size, Word16, size_of::<Record>() as u16);

impl<T: Fresh> Fresh for [T; 2] {
    const FRESH: Self = [T::FRESH, T::FRESH];
    fn refresh(&self) {
        self.iter().for_each(T::refresh);
    }
}

pub(crate) const NAME_SIZE: usize = 128;

/// The name is for good.
impl Fresh for [u8; NAME_SIZE] {
    const FRESH: Self = [0; NAME_SIZE];
    fn refresh(&self) {}
}

/// A `repr(C)` struct and the proof that its fields lie where they are said to: each begins where the
/// ones before it end, so there is no padding, and that is where `repr(C)` puts it.
macro_rules! layout {
    ($(#[$meta:meta])* $vis:vis struct $name:ident: $size:literal {
        $($(#[$of:meta])* $field:ident: $type:ty = $at:literal,)*
    }) => {
        $(#[$meta])*
        #[repr(C)]
        $vis struct $name {
            $($(#[$of])* pub(crate) $field: $type,)*
        }

        const _: () = {
            let mut at = 0;
            $(
                assert!(at == $at && at % align_of::<$type>() == 0);
                at += size_of::<$type>();
            )*
            assert!(at == $size && size_of::<$name>() == $size);
        };

        impl Fresh for $name {
            const FRESH: Self = $name { $($field: <$type>::FRESH,)* };
            fn refresh(&self) {
                $(self.$field.refresh();)*
            }
        }

        #[allow(dead_code)]
        impl $name {
            /// Where each field is, as it is compiled.
            pub(crate) fn places(&self) -> impl Iterator<Item = (&'static str, usize)> {
                let at = self as *const Self as usize;
                let places = [$((stringify!($field), &self.$field as *const $type as usize - at)),*];
                places.into_iter()
            }
        }
    };
}

layout! {
    /// One direction of a step: what is open, and what has ended since the present watch began.
    /// `closed` is of episodes seen whole; `folded` ones are among them: accounted here, not fired.
    pub(crate) struct Direction: 80 {
        /// Beginning of the open episode, 0 if none is open.
        since: Word64 = 0,
        /// Duration of the last closed episode.
        last: Word64 = 8,
        closed: Word64 = 16,
        closed_ns: Word64 = 24,
        /// The beginning was not seen.
        partial: Word64 = 32,
        /// At least this long.
        partial_ns: Word64 = 40,
        /// Ended by step_end or exit.
        abandoned: Word64 = 48,
        abandoned_ns: Word64 = 56,
        folded: Word64 = 64,
        folded_ns: Word64 = 72,
    }
}

layout! {
    /// One of the folded episodes since the last fire, any of them with the same chance.
    pub(crate) struct Pick: 16 {
        ns: Word64 = 0,
        /// Folded since the last fire.
        of: Word64 = 8,
    }
}

layout! {
    /// A step in its place. See the crate's documentation for how to drive it.
    ///
    /// [`Step`](crate::Step) is one on the heap. By itself it is for static storage:
    ///
    /// ```
    /// static TRANSFORM: pushback::Record = pushback::Record::new("transform");
    ///
    /// TRANSFORM.submit_return(pushback::Outcome::Accepted);
    /// ```
    ///
    /// Keep it where it is from its first return to its [`end`](Record::end): observers look there.
    /// Nothing worse than a wrong observation comes of moving it.
    #[repr(align(64))]
    pub struct Record: 512 {
        magic: Magic = 0,
        version: Version = 4,
        size: Size = 6,
        /// Of the watch it is in, or `EPOCH_MISSED`, `EPOCH_FRESH`.
        epoch: Word64 = 8,
        /// Submits; counted while watched, never cleared.
        accepted: Word64 = 16,
        rejected: Word64 = 24,
        /// What it handed on.
        forwarded: Word64 = 32,
        refused: Word64 = 40,
        state: Word32 = 48,
        /// Returns without an edge before the next look at the clock.
        countdown: Word32 = 52,
        /// Thread pointer | 1 in submit, | 2 in poll; 0 outside or unknown.
        inside: Word64 = 56,

        /// Unique in the process and over its life; 0 before the first watch.
        instance: Word64 = 64,
        /// Since when `returns` are counted.
        looked: Word64 = 72,
        /// When a probe last fired.
        fired: Word64 = 80,
        /// Rate bound: a cycle that begins from then on is fired.
        bound: Word64 = 88,
        /// Returns between looks.
        look_every: Word16 = 96,
        /// In this cycle.
        edges: Word16 = 98,
        /// Since `looked`, about.
        returns: Word32 = 100,
        /// Queue: messages | capacity << 32; 0 if never told.
        depth: Word64 = 104,
        /// Time refusing while not blocked.
        self_ns: Word64 = 112,
        /// Since when it runs, 0 if it does not.
        self_since: Word64 = 120,

        /// When the present watch began, and the totals then.
        watch_since: Word64 = 128,
        watch_accepted: Word64 = 136,
        watch_rejected: Word64 = 144,
        watch_forwarded: Word64 = 152,
        watch_refused: Word64 = 160,
        /// The step that the last fired forward went to, or 0.
        next: Word64 = 168,
        direction: [Direction; 2] = 176,
        pick: [Pick; 2] = 336,
        /// Which steps its forwards were told with, see `watch::next_bit`.
        nexts: Word64 = 368,
        /// One of them: its address, cut; or 0.
        known: Word32 = 376,
        /// Its own, cut likewise, from the instance number on: a copy is no step.
        at: Word32 = 380,
        /// NUL-terminated.
        name: [u8; NAME_SIZE] = 384,
    }
}

/// Directions: SEND is "this step refuses", RECEIVE is "the next step refused this one".
pub(crate) const SEND: usize = 0;
pub(crate) const RECEIVE: usize = 1;

// Record.state. Bits with two places are for SEND; << 1 for RECEIVE.
pub(crate) const OPEN: u32 = 0x0001; // an episode is open
pub(crate) const PARTIAL: u32 = 0x0004; // its beginning was not seen
pub(crate) const UNKNOWN: u32 = 0x0010; // whether one is open is not known: it ran unwatched
pub(crate) const SHOWN: u32 = 0x0040; // observers were told that it is open: its end is fired
pub(crate) const SAMPLE: u32 = 0x0100; // this fire tells an episode's end: its duration is `last`
pub(crate) const PARTED: u32 = 0x0400; // this fire tells a partial episode's end
pub(crate) const CYCLE_FIRED: u32 = 0x1000; // the present cycle is one that fires
pub(crate) const UNTOLD: u32 = 0x2000; // there is news that no site could tell yet
pub(crate) const BEAT: u32 = 0x4000; // this fire is a heartbeat
pub(crate) const ENDED: u32 = 0x8000; // this fire is the step's last
pub(crate) const NAME_CUT: u32 = 0x10000; // the name was longer than fits
pub(crate) const MARKS: u32 = 0x20000; // it has enter marks

pub(crate) const OPEN_ANY: u32 = OPEN | OPEN << 1;

// Record.epoch, when it is not that of a watch of this process.
pub(crate) const EPOCH_MISSED: u64 = 1; // returned unwatched
pub(crate) const EPOCH_FRESH: u64 = 2; // never called

/// What fits of a name, with at least one NUL behind it, and whether that is all of it.
const fn cut(name: &[u8]) -> ([u8; NAME_SIZE], bool) {
    let mut kept = [0; NAME_SIZE];
    let mut i = 0;
    while i < name.len() && name[i] != 0 && i < NAME_SIZE - 1 {
        kept[i] = name[i];
        i += 1;
    }
    (kept, i == name.len())
}

impl Record {
    /// A step that was never called. 127 bytes of the name are kept, and none from a NUL on.
    pub const fn new(name: &str) -> Self {
        Self::from_bytes(name.as_bytes())
    }

    /// The same with a name that may not be UTF-8; observers escape what they cannot show.
    pub const fn from_bytes(name: &[u8]) -> Self {
        let mut record = Self::FRESH;
        let (name, whole) = cut(name);
        record.epoch = Word64::new(EPOCH_FRESH);
        record.state = Word32::new(if whole { 0 } else { NAME_CUT });
        record.name = name;
        record
    }

    /// All but the name as it was at first, `pushback_clear()`.
    pub(crate) fn clear(&self) {
        self.refresh();
        self.epoch.set(EPOCH_FRESH);
    }

    /// The name as observers see it.
    pub fn name(&self) -> &[u8] {
        match self.name.iter().position(|&byte| byte == 0) {
            Some(length) => &self.name[..length],
            None => &self.name,
        }
    }
}
