//! placeholder of the lead; h2 replaces this file.
use crate::RuntimeHandle;
use async_trait_core::{Async, Context};
use std::{
    pin::pin,
    sync::Arc,
    task::{Poll, Wake, Waker},
    thread::{self, Thread},
};
struct Unpark(Thread);
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark()
    }
}
/// Runs `a`.
#[doc(hidden)]
pub fn block_on<A: Async>(a: A) -> A::Output {
    block_on_with(&RuntimeHandle::current(), a)
}
pub(crate) fn block_on_with<A: Async>(rt: &RuntimeHandle, a: A) -> A::Output {
    let mut a = pin!(a);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        // SAFETY: placeholder.
        if let Poll::Ready(out) = unsafe { a.as_mut().poll_async(&mut Context::from_waker(&waker).with_value(rt)) } {
            return out;
        }
        if !crate::rescue::try_run_one() {
            thread::park();
        }
    }
}
