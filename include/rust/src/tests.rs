// SPDX-License-Identifier: MIT
//! What needs no kernel.

mod machine;
mod strategy;
mod watch;

use crate::layout::*;
use crate::sites;
use core::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::vec::Vec;

/// As if somebody had attached; no site is armed, so nothing fires. For good: tests run side by side.
fn be_watched() {
    // SAFETY: two aligned bytes of this object's data.
    unsafe { &*(sites::semaphore_address() as *const AtomicU16) }.store(1, SeqCst);
}

fn counts(s: &Record) -> [u64; 4] {
    [s.accepted.get(), s.rejected.get(), s.forwarded.get(), s.refused.get()]
}

#[test]
fn fields_are_where_the_abi_has_them() {
    let record = Record::new("step");
    let places: Vec<_> = record.places().collect();
    assert_eq!(places[0], ("magic", 0));
    assert_eq!(places[6], ("forwarded", 32));
    assert_eq!(places[places.len() - 1], ("name", 384));
    assert_eq!(places.len(), 33);
    assert_eq!(core::mem::align_of::<Record>(), 64);
}

#[test]
fn names_are_cut_where_they_do_not_fit() {
    let long = "n".repeat(200);
    for (name, kept, cut) in [
        ("", "", false),
        ("step", "step", false),
        (&long[..127], &long[..127], false),
        (&long[..128], &long[..127], true),
        ("a\0b", "a", true),
    ] {
        let record = Record::new(name);
        assert_eq!(record.name(), kept.as_bytes());
        assert_eq!(record.state.get(), if cut { NAME_CUT } else { 0 });
    }
}
