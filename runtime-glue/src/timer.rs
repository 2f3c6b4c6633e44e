//! placeholder of the lead; h2 replaces this file.
use std::{task::Waker, time::Instant};
/// Key.
#[derive(Debug)]
pub struct TimerKey(());
pub(crate) fn register(_: Instant, _: &Waker) -> TimerKey {
    TimerKey(())
}
pub(crate) fn cancel(_: TimerKey) {}
pub(crate) fn unattended() -> Option<std::time::Duration> {
    None
}
pub(crate) fn help() -> bool {
    false
}
