// SPDX-License-Identifier: MIT
//! Strategies of arroyo's shape and names, which know nothing of probes, and count what they do.

pub mod processing;
pub mod small;
pub mod truth;
pub mod types;
