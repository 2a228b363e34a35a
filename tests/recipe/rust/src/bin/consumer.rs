// SPDX-License-Identifier: MIT
//! consumer TYPE SEED MESSAGES CHAINS [valid]: chains of boxed strategies for payloads of a type, one per thread.
//!
//! Some messages are invalid, unless all are to be valid. Every 50th function call panics, which whoever drives the chain catches. The truth comes last, on stdout;
//! before it, on stderr, how many panics there were.

use sentry_arroyo::processing::strategies::{
    commit_offsets::CommitOffsets, healthcheck::HealthCheck, reduce::Reduce, run_task::RunTask,
    run_task_in_threads::RunTaskInThreads, *,
};
use sentry_arroyo::small::{Answer, Bare, Error, Small, Verdict, Wide};
use sentry_arroyo::truth::{print, Outcome, Truth};
use sentry_arroyo::types::*;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroI32;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

const STEPS: [&str; 5] = ["HealthCheck", "RunTask", "Reduce", "RunTaskInThreads", "CommitOffsets"];
static CAUGHT: AtomicU64 = AtomicU64::new(0);
static ALL_VALID: AtomicBool = AtomicBool::new(false);

thread_local!(static SEED: Cell<u64> = const { Cell::new(0) });

/// Of no quality at all; the same for the same seed.
fn roll(below: u32) -> u32 {
    SEED.with(|seed| {
        let next = seed.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        seed.set(next);
        ((next >> 33) as u32) % below
    })
}

fn is_invalid(one_in: u32) -> bool {
    roll(one_in) == 0 && !ALL_VALID.load(Relaxed)
}

fn message<T: Payload>(number: u64) -> Message<T> {
    let partition = Partition { topic: Topic("events"), index: (number % 3) as u16 };
    let timestamp = Timestamp { day: NonZeroI32::new(7).unwrap(), second: 9, nanosecond: 0 };
    let payload = T::of(number);
    let inner_message = if number % 11 == 0 {
        let committable = BTreeMap::from([(partition, number)]);
        InnerMessage::AnyMessage(AnyMessage { payload, committable })
    } else {
        let offset = number;
        InnerMessage::BrokerMessage(BrokerMessage { payload, partition, offset, timestamp })
    };
    Message { inner_message }
}

fn task<T>(message: Message<T>) -> Result<Message<T>, SubmitError<T>> {
    if roll(50) == 0 {
        panic!("of a task");
    }
    if is_invalid(25) {
        let partition = Partition { topic: Topic("events"), index: 0 };
        return Err(SubmitError::InvalidMessage(InvalidMessage { partition, offset: 2 }));
    }
    Ok(message)
}

fn chain<T: Payload>(truths: &[Truth]) -> Next<T> {
    let end = CommitOffsets {
        partitions: HashMap::new(),
        roll,
        is_invalid,
        busy: 0,
        truth: truths[4].clone(),
    };
    let threads = RunTaskInThreads::<T, T> {
        task: |message| message,
        concurrency: 3,
        handles: VecDeque::new(),
        next_step: Box::new(end),
        message_carried_over: None,
        finished: || roll(3) as usize,
        truth: truths[3].clone(),
    };
    let reduce = Reduce::<T, T> {
        accumulator: |message| message,
        batch_size: 2,
        taken: 0,
        next_step: Box::new(threads),
        message_carried_over: None,
        truth: truths[2].clone(),
    };
    let run = RunTask {
        function: task::<T>,
        next_step: Box::new(reduce),
        message_carried_over: None,
        truth: truths[1].clone(),
    };
    let next_step: Next<T> = Box::new(run);
    Box::new(HealthCheck { next_step, truth: truths[0].clone() })
}

/// As arroyo's processor: what is refused is offered again.
fn drive<T: Payload>(seed: u64, messages: u64) -> Vec<Truth> {
    let truths: Vec<_> = STEPS.iter().map(|_| Truth::default()).collect();
    let mut steps = chain::<T>(&truths);
    let mut carried = None;
    SEED.with(|of| of.set(seed));
    for number in 1..=messages {
        if roll(3) > 0 {
            let _ = steps.poll();
        }
        let offered = carried.take().unwrap_or_else(|| message(number));
        match catch_unwind(AssertUnwindSafe(|| steps.submit(offered))) {
            Ok(result) => {
                truths[0].forwarded(outcome_of(&result, Outcome::Propagated));
                truths[0].submitted(outcome_of(&result, Outcome::Propagated));
                if let Err(SubmitError::MessageRejected(rejected)) = result {
                    carried = Some(rejected.message);
                }
            }
            Err(_) => {
                CAUGHT.fetch_add(1, Relaxed);
            }
        }
    }
    steps.terminate();
    // Another chain's would be in their place.
    std::mem::forget(steps);
    truths
}

fn consume<T: Payload>(seed: u64, messages: u64, chains: u64) {
    let threads: Vec<_> =
        (0..chains).map(|i| std::thread::spawn(move || drive::<T>(seed + i, messages))).collect();
    let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    eprintln!("caught {}", CAUGHT.load(Relaxed));
    for (i, step) in STEPS.iter().enumerate() {
        print(step, &all.iter().map(|truths| truths[i].clone()).collect::<Vec<_>>());
    }
}

fn consume_small(seed: u64, messages: u64) {
    let (mut small, mut bare, mut wide) = (Small::default(), Bare::default(), Wide::default());
    let mut seen = [0; 3];
    SEED.with(|of| of.set(seed));
    for _ in 0..messages {
        let message = 10 + roll(5);
        seen[0] += u32::from(matches!(small.submit(message), Err(Error::Full(m)) if m == message));
        seen[1] += u32::from(matches!(bare.submit(message), Answer::Full));
        seen[2] +=
            u32::from(matches!(wide.submit(message), Verdict::Full(m) if m as u32 == message));
        for queued in [&mut small.queued, &mut bare.queued, &mut wide.queued] {
            *queued = queued.saturating_sub(roll(2));
        }
    }
    eprintln!("refused {seen:?}");
    for (step, truth) in [("Small", small.truth), ("Bare", bare.truth), ("Wide", wide.truth)] {
        truth.ended();
        print(step, &[truth]);
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let number = |i: usize| arguments[i].parse::<u64>().unwrap();
    let run = match arguments[1].as_str() {
        "kafka" => consume::<KafkaPayload>,
        "u64" => consume::<u64>,
        "bytes" => consume::<Vec<u8>>,
        "string" => consume::<String>,
        "option" => consume::<Option<u32>>,
        "bool" => consume::<bool>,
        "unit" => consume::<()>,
        "small" => |seed, messages, _| consume_small(seed, messages),
        other => panic!("no payload type {other}"),
    };
    ALL_VALID.store(arguments.get(5).is_some(), Relaxed);
    set_hook(Box::new(|_| {}));
    run(number(2), number(3), number(4));
}
