// SPDX-License-Identifier: MIT
//! The crate's layout and state machine by themselves, for comparison with the header's: contract.c is
//! the same program.

#![allow(dead_code)]

#[path = "../../../../include/rust/src/layout.rs"]
mod layout;
#[path = "../../../../include/rust/src/machine.rs"]
mod machine;

use layout::*;
use std::io::BufRead;
use std::mem::{align_of, size_of};

fn offsets(s: &Record) {
    println!("{} {}", size_of::<Record>(), align_of::<Record>());
    s.places().for_each(|(name, at)| println!("{name} {at}"));
    s.direction[0].places().for_each(|(name, at)| println!("direction.{name} {at}"));
    s.pick[0].places().for_each(|(name, at)| println!("pick.{name} {at}"));
}

fn returns(s: &Record, direction: usize, outcome: u32, now: u64) -> u32 {
    match machine::count(s, direction, outcome) {
        machine::NO_EDGE => 0,
        edge => machine::turn(s, direction, edge == machine::OPENS, now),
    }
}

fn main() {
    let s = Record::new("step");
    offsets(&s);
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (op, rest) = line.split_once(' ').unwrap();
        let (value, now) = rest.split_once(' ').unwrap();
        let (value, now) = (value.parse().unwrap(), now.parse().unwrap());
        let told = match op {
            "submit" => returns(&s, SEND, value, now),
            "forward" => returns(&s, RECEIVE, value, now),
            "poll" if machine::ready(&s, value != 0) == machine::CLOSES => {
                machine::turn(&s, SEND, false, now)
            }
            "abandon" => {
                machine::abandon(&s, now);
                0
            }
            "miss" => {
                machine::miss_begin(&s);
                0
            }
            _ => 0,
        };
        let bytes = (&s as *const Record).cast::<[u8; 512]>();
        // SAFETY: the whole record, which nobody writes to now.
        let bytes = unsafe { bytes.read() };
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{told} {}", hex.concat());
    }
}
