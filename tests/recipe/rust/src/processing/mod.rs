// SPDX-License-Identifier: MIT
pub mod strategies;
