// SPDX-License-Identifier: MIT
//! Messages, laid out as arroyo's are: what a result looks like depends on it.

use std::collections::BTreeMap;
use std::num::NonZeroI32;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub &'static str);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Topic,
    pub index: u16,
}

/// As chrono's DateTime<Utc>.
#[derive(Clone, Copy)]
pub struct Timestamp {
    pub day: NonZeroI32,
    pub second: u32,
    pub nanosecond: u32,
}

pub struct BrokerMessage<T> {
    pub payload: T,
    pub partition: Partition,
    pub offset: u64,
    pub timestamp: Timestamp,
}

pub struct AnyMessage<T> {
    pub payload: T,
    pub committable: BTreeMap<Partition, u64>,
}

pub enum InnerMessage<T> {
    BrokerMessage(BrokerMessage<T>),
    AnyMessage(AnyMessage<T>),
}

pub struct Message<T> {
    pub inner_message: InnerMessage<T>,
}

pub struct KafkaPayloadInner {
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
}

#[derive(Clone)]
pub struct KafkaPayload {
    pub inner: Arc<KafkaPayloadInner>,
}

/// What a payload is made of, for a message's number.
pub trait Payload: Send + Sync + 'static {
    fn of(number: u64) -> Self;
}

impl Payload for KafkaPayload {
    fn of(number: u64) -> Self {
        let payload = Some(number.to_le_bytes().to_vec());
        KafkaPayload { inner: Arc::new(KafkaPayloadInner { key: None, payload }) }
    }
}

impl Payload for u64 {
    /// Small ones too, which look like a tag.
    fn of(number: u64) -> Self {
        number % 4
    }
}

impl Payload for Vec<u8> {
    fn of(number: u64) -> Self {
        vec![b'x'; (number % 5) as usize]
    }
}

impl Payload for String {
    fn of(number: u64) -> Self {
        number.to_string()
    }
}

impl Payload for Option<u32> {
    fn of(number: u64) -> Self {
        (number % 3 > 0).then_some(number as u32 % 5)
    }
}

impl Payload for bool {
    fn of(number: u64) -> Self {
        number % 2 > 0
    }
}

impl Payload for () {
    fn of(_: u64) -> Self {}
}
