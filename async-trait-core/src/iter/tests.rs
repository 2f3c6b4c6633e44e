//! Facts about the adaptors: what they yield, what they hold, and what an unwinding part leaves behind.

use core::{
    cell::Cell,
    future::IntoFuture as _,
    pin::{Pin, pin},
    task::{Poll, Waker},
};
use std::{
    boxed::Box,
    panic::{AssertUnwindSafe, catch_unwind},
    vec,
    vec::Vec,
};

use futures::{FutureExt as _, Stream, stream};

use super::*;
use crate::{Async, CancelSafe, Context, block_on_with, poll_fn, yield_now};

fn run<A: Async>(a: A) -> A::Output {
    block_on_with(a, || panic!("pending and not woken"))
}

/// Yields 0, 1, .. below `end`, pending once and waking itself before each; the item under way counts as started work,
/// so the iterator is not cancel-safe.
struct Slow {
    next: u32,
    end: u32,
    started: bool,
}

fn slow(end: u32) -> Items<Slow> {
    items(Slow { next: 0, end, started: false })
}

// SAFETY: nothing is lent to anybody.
unsafe impl AsyncIterator for Slow {
    type Item = u32;

    unsafe fn poll_next_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        self.started = !self.started;
        if self.started {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.next += 1;
        Poll::Ready((self.next <= self.end).then_some(self.next - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next) as usize;
        (left, Some(left))
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        assert!(!self.started, "dropped with an item under way");
    }
}

#[test]
fn adaptors_over_slow_items() {
    assert_eq!(run(slow(4).map(|x| x * 2).collect::<Vec<_>>()), [0, 2, 4, 6]);
    assert_eq!(run(slow(5).filter(|x| x % 2 == 1).collect::<Vec<_>>()), [1, 3]);
    assert_eq!(run(slow(5).filter_map(|x| (x > 2).then_some(-i64::from(x))).collect::<Vec<_>>()), [-3, -4]);
    assert_eq!(run(slow(9).take(2).collect::<Vec<_>>()), [0, 1]);
    assert_eq!(run(slow(9).take(0).collect::<Vec<_>>()), []);
    assert_eq!(run(slow(9).take_while(|x| *x != 3).collect::<Vec<_>>()), [0, 1, 2]);
    assert_eq!(run(slow(2).enumerate().collect::<Vec<_>>()), [(0, 0), (1, 1)]);
    assert_eq!(run(slow(2).chain(slow(3)).collect::<Vec<_>>()), [0, 1, 0, 1, 2]);
    assert_eq!(run(slow(5).chunks(2).collect::<Vec<_>>()), [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(run(slow(4).chunks(2).collect::<Vec<_>>()), [vec![0, 1], vec![2, 3]]);
    let twice = |x| yield_now().map(move |()| x * 2);
    assert_eq!(run(slow(3).then(twice).collect::<Vec<_>>()), [0, 2, 4]);
    assert_eq!(run(slow(4).fold(1, |sum, x| yield_now().map(move |()| sum + x))), 7);
}

#[test]
fn try_for_each_stops_at_the_first_error() {
    let seen = Cell::new(0);
    let mut result = None;
    let end = slow(9).try_for_each(|x| {
        seen.set(seen.get() + 1);
        yield_now().map(move |()| if x == 2 { Err("two") } else { Ok(()) })
    });
    result.replace(run(end));
    assert_eq!((result, seen.get()), (Some(Err("two")), 3));
}

#[test]
fn next_after_the_end_stays_at_the_end_of_what_is_fused() {
    let mut three = slow(9).take(1).chain(slow(1)).take_while(|_| true);
    assert_eq!([run(three.next()), run(three.next())], [Some(0), Some(0)]);
    assert_eq!([run(three.next()), run(three.next())], [None, None]);
}

#[test]
fn size_hints_count_what_is_held() {
    assert_eq!(AsyncIterator::size_hint(&slow(7).chunks(3)), (3, Some(3)));
    assert_eq!(AsyncIterator::size_hint(&slow(7).chain(slow(2)).take(8)), (8, Some(8)));
    assert_eq!(AsyncIterator::size_hint(&slow(7).filter(|_| true)), (0, Some(7)));
    let mut then = items(stream::iter(0..3)).then(|_| futures::future::pending::<()>());
    assert_eq!(then.next().into_future().now_or_never(), None);
    assert_eq!(AsyncIterator::size_hint(&then), (3, Some(3)));
}

#[test]
fn a_dropped_next_of_a_stream_loses_no_item() {
    let mut pending_once = true;
    let mut numbers = 0;
    let source = stream::poll_fn(move |_| {
        pending_once = !pending_once;
        numbers += 1;
        if pending_once { Poll::Ready(Some(numbers)) } else { Poll::Pending }
    });
    let mut pairs = items(source).enumerate().chunks(2);
    assert_eq!(pairs.next().into_future().now_or_never(), None);
    assert_eq!(pairs.next().into_future().now_or_never(), None);
    assert_eq!(pairs.next().into_future().now_or_never(), Some(Some(vec![(0, 2), (1, 4)])));
}

#[test]
fn cancel_safety_is_that_of_the_part_under_way() {
    // SAFETY: the function lends nothing to anybody.
    let not_safe = || unsafe { poll_fn(|_| Poll::<()>::Pending) };
    let mut then = Box::pin(items(stream::iter(0..3)).then(|_| not_safe()));
    assert!(AsyncIterator::is_cancel_safe(&*then));
    let mut cx = Context::from_waker(Waker::noop());
    // SAFETY: what is started lends nothing to anybody, so breaking *completed* below is harmless.
    assert!(unsafe { then.as_mut().poll_next_async(&mut cx) }.is_pending());
    assert!(!AsyncIterator::is_cancel_safe(&*then));

    let mut each = pin!(slow(3).for_each(|_| futures::future::pending()));
    assert!(!each.is_cancel_safe());
    for _ in 0..2 {
        // SAFETY: as above; the iterator is between items when `each` is dropped.
        assert!(unsafe { each.as_mut().poll_async(&mut cx) }.is_pending());
    }
    assert!(each.is_cancel_safe(), "only a plain future is under way");
}

#[test]
fn a_part_that_panics_is_gone_and_the_iterator_goes_on() {
    let mut then = items(stream::iter(0..3)).then(|x| Box::pin(async move { assert!(x != 1, "one") }));
    assert_eq!(run(then.next()), Some(()));
    assert!(catch_unwind(AssertUnwindSafe(|| run(then.next()))).is_err());
    assert_eq!(run(then.next()), Some(()));
    assert_eq!(run(then.next()), None);
}

#[test]
fn into_stream_yields_the_same() {
    let stream = items(stream::iter(0..3)).map(|x| x + 1).into_stream();
    assert_eq!(Stream::size_hint(&stream), (3, Some(3)));
    assert_eq!(run(items(stream).collect::<Vec<_>>()), [1, 2, 3]);
}

#[test]
#[should_panic(expected = "a chunk has at least one item")]
fn chunks_of_nothing() {
    let _ = slow(1).chunks(0);
}

#[test]
fn markers_are_kept_through_adaptors() {
    fn safe<I: CancelSafeIterator>(iter: I) -> I {
        iter
    }
    fn future<A: CancelSafe>(_: A) {}
    let all = items(stream::iter(0..3))
        .map(|x| x)
        .filter(|_| true)
        .filter_map(Some)
        .take(9)
        .take_while(|_| true)
        .then(futures::future::ready)
        .enumerate()
        .chain(items(stream::empty()))
        .chunks(2);
    future(safe(all).collect::<Vec<_>>());
    future(items(stream::iter(0..3)).for_each(|_| futures::future::ready(())));
    future(items(stream::iter(0..3)).fold((), |(), _| futures::future::ready(())));
    future(items(stream::iter(0..3)).try_for_each(|_| futures::future::ready(Ok::<_, ()>(()))));
}
