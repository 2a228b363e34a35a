// SPDX-License-Identifier: MIT
//! A shared library with probes and steps of its own, opened by the driver.

#![deny(unsafe_op_in_unsafe_fn)]

#[allow(dead_code)]
mod scripted;

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static scripted_library: scripted::Scripted = scripted::SCRIPTED_HERE;
