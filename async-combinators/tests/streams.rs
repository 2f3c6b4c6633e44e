//! Facts about `merge`, `zip`, `until_end`, `Group` and `wait_until`.
#![cfg(feature = "std")]

mod common;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::IntoFuture as _,
    pin::Pin,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
};

use async_combinators::{Group, join, merge, race, until_end, wait_until, zip};
use async_trait_core::{
    AsFuture, Async, AsyncIterator, CancelFlag, CancelSafe, CancelSafeIterator, Context, Reason, block_on_with, items,
    yield_now,
};
use common::{Task, poll, poll_under};
use futures::{FutureExt as _, Stream, StreamExt, stream};

fn run<A: Async>(a: A) -> A::Output {
    block_on_with(a, || panic!("pending and not woken"))
}

/// A hand-fed stream.
#[derive(Clone, Default)]
struct Feed(Rc<FeedState>);

#[derive(Default)]
struct FeedState {
    queue: RefCell<VecDeque<Option<u32>>>,
    waker: Cell<Option<Waker>>,
    polls: Cell<usize>,
}

impl Feed {
    fn push(&self, item: Option<u32>) {
        self.0.queue.borrow_mut().push_back(item);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

impl Stream for Feed {
    type Item = u32;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<u32>> {
        self.0.polls.set(self.0.polls.get() + 1);
        match self.0.queue.borrow_mut().pop_front() {
            Some(item) => Poll::Ready(item),
            None => {
                self.0.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

fn next_of<I: CancelSafeIterator + Unpin>(
    iter: &mut async_trait_core::Items<I>,
    waker: &Waker,
) -> Poll<Option<I::Item>> {
    poll(&mut Box::pin(iter.next()), waker)
}

#[test]
fn merge_takes_turns() {
    let busy = || stream::repeat(0_u32);
    let three = merge((busy(), stream::repeat(1), stream::repeat(2)));
    assert_eq!(run(three.take(7).collect::<Vec<_>>()), [0, 1, 2, 0, 1, 2, 0]);
    let nine = merge((0..9).map(stream::repeat).collect::<Vec<_>>());
    assert_eq!(run(nine.take(20).collect::<Vec<_>>()), (0..20).map(|i| i % 9).collect::<Vec<_>>());
    let nine = merge([0, 1, 2, 3, 4, 5].map(stream::repeat));
    assert_eq!(run(nine.take(7).collect::<Vec<_>>()), [0, 1, 2, 3, 4, 5, 0]);
}

#[test]
fn merge_ends_with_its_last_source() {
    for n in [0, 1, 3, 5, 200] {
        let sources: Vec<_> = (0..n).map(|i| stream::iter(0..i)).collect();
        let merged = merge(sources);
        assert_eq!(AsyncIterator::size_hint(&merged), ((0..n).sum(), Some((0..n).sum())));
        let mut merged = merged.enumerate();
        let mut count = 0;
        while let Some((i, _)) = run(merged.next()) {
            assert_eq!(i, count);
            count += 1;
        }
        assert_eq!(count, (0..n).sum::<usize>());
        assert_eq!(run(merged.next()), None);
    }
}

#[test]
fn nothing_is_lost_between_rounds_that_are_dropped() {
    for n in [2, 4, 6, 130] {
        let feeds: Vec<Feed> = (0..n).map(|_| Feed::default()).collect();
        let (task, waker) = Task::new();
        let mut merged = merge(feeds.clone());
        let mut got = vec![];
        let mut sent = 0;
        for round in 0..2000_usize {
            let before = task.wakes();
            if round % 3 != 0 {
                feeds[round * 7 % n].push(Some(sent));
                sent += 1;
            }
            // Every `next` is dropped after one poll; a pending one must be followed by a wake when something comes.
            match next_of(&mut merged, &waker) {
                Poll::Ready(item) => got.push(item.expect("no source has ended")),
                Poll::Pending => assert!(got.len() as u32 == sent, "{n}: an item was there"),
            }
            assert!(task.wakes() >= before);
        }
        while let Poll::Ready(item) = next_of(&mut merged, &waker) {
            got.push(item.expect("no source has ended"));
        }
        got.sort_unstable();
        assert_eq!(got, (0..sent).collect::<Vec<_>>());
        let wakes = task.wakes();
        feeds[n - 1].push(Some(0));
        assert_eq!(task.wakes(), wakes + 1);
    }
}

#[test]
fn a_merge_of_many_polls_only_what_was_woken() {
    let feeds: Vec<Feed> = (0..500).map(|_| Feed::default()).collect();
    let (_, waker) = Task::new();
    let mut merged = merge(feeds.clone());
    assert!(next_of(&mut merged, &waker).is_pending());
    for (i, feed) in feeds.iter().enumerate() {
        feed.push(Some(i as u32));
        assert_eq!(next_of(&mut merged, &waker), Poll::Ready(Some(i as u32)));
        assert!(next_of(&mut merged, &waker).is_pending());
    }
    assert!(feeds.iter().all(|feed| feed.0.polls.get() == 3), "at first, for the item, and to find no other");
}

#[test]
fn until_end_yields_its_item_once() {
    let mut iter = until_end(stream::iter(0..2), 9);
    assert_eq!(AsyncIterator::size_hint(&iter), (3, Some(3)));
    assert_eq!([run(iter.next()), run(iter.next()), run(iter.next())], [Some(0), Some(1), Some(9)]);
    assert_eq!([run(iter.next()), run(iter.next())], [None, None]);
}

#[test]
fn zip_waits_for_all_and_keeps_what_has_come() {
    for n in [2, 7] {
        let feeds: Vec<Feed> = (0..n).map(|_| Feed::default()).collect();
        let (task, waker) = Task::new();
        let mut zipped = zip(feeds.clone());
        for round in 0..5 {
            for feed in feeds.iter().rev() {
                assert!(next_of(&mut zipped, &waker).is_pending());
                feed.push(Some(round));
            }
            assert_eq!(next_of(&mut zipped, &waker), Poll::Ready(Some(vec![round; n])));
        }
        assert!(task.wakes() > 0);
        feeds[0].push(Some(1));
        feeds[n - 1].push(None);
        assert_eq!(next_of(&mut zipped, &waker), Poll::Ready(None));
        assert_eq!(next_of(&mut zipped, &waker), Poll::Ready(None));
    }
    let arrays = zip([stream::iter(0..3), stream::iter(5..7)]);
    assert_eq!(AsyncIterator::size_hint(&arrays), (2, Some(2)));
    assert_eq!(run(arrays.collect::<Vec<_>>()), [[0, 5], [1, 6]]);
    let tuples = zip((stream::iter(0..3), stream::iter("ab".chars()), stream::repeat(())));
    assert_eq!(run(tuples.collect::<Vec<_>>()), [(0, 'a', ()), (1, 'b', ())]);
    assert_eq!(run(zip(Vec::<stream::Empty<u32>>::new()).collect::<Vec<_>>()), Vec::<Vec<u32>>::new());
}

#[test]
fn a_group_yields_as_completed_and_takes_new_members() {
    let mut group = Group::new();
    assert_eq!(run(group.next()), None);
    let sleepy = |n: u32| async move {
        for _ in 0..n {
            yield_now().await;
        }
        n
    };
    group.extend([5, 1, 3].map(sleepy));
    assert_eq!(run(group.next()), Some(1));
    group.insert(sleepy(0));
    assert_eq!(run(group.next()), Some(0));
    assert_eq!((run(group.next()), run(group.next()), run(group.next())), (Some(3), Some(5), None));
    assert!(group.is_empty());
}

#[test]
fn members_of_a_group_are_removed_by_key() {
    let mut group = Group::new();
    let keys: Vec<_> = (0..20).map(|i| group.insert(async move { i }.boxed())).collect();
    assert_eq!(group.len(), 20);
    let taken = group.remove(keys[7]).expect("still there");
    assert_eq!(run(taken), 7);
    assert!(group.remove(keys[7]).is_none() && !group.discard(keys[7]) && !group.contains(keys[7]));
    let again = group.insert(async { 70 }.boxed());
    assert_ne!(again, keys[7], "a reused place has another key");
    assert!(group.discard(keys[0]));
    let mut outputs = run(items(group).collect::<Vec<_>>());
    outputs.sort_unstable();
    assert_eq!(outputs, (1..7).chain(8..20).chain([70]).collect::<Vec<_>>());
}

/// A wake between a growth and the next poll reaches the task: the old woken set stays until then.
#[test]
fn a_group_that_grew_since_its_last_poll_still_wakes_its_task() {
    let feeds: Vec<Feed> = (0..9).map(|_| Feed::default()).collect();
    let (task, waker) = Task::new();
    let mut group: Group<_> = feeds.iter().cloned().map(StreamExt::into_future).collect();
    assert!(poll(&mut Box::pin(group.next()), &waker).is_pending());
    for _ in 0..100 {
        group.insert(Feed::default().into_future());
    }
    let before = task.wakes();
    feeds[8].push(Some(8));
    assert_eq!(task.wakes(), before + 1);
    let Poll::Ready(Some((item, _))) = poll(&mut Box::pin(group.next()), &waker) else { panic!("it was woken") };
    assert_eq!(item, Some(8));
    assert!(poll(&mut Box::pin(group.next()), &waker).is_pending());
    let before = task.wakes();
    feeds[0].push(Some(0));
    assert_eq!(task.wakes(), before + 1, "through the new set");
    assert!(poll(&mut Box::pin(group.next()), &waker).is_ready());
}

/// Inserting does not swallow the wake of another member.
#[test]
fn a_group_that_got_a_member_since_its_last_poll_still_wakes_its_task() {
    let feeds: Vec<Feed> = (0..10).map(|_| Feed::default()).collect();
    let (task, waker) = Task::new();
    let mut group: Group<_> = feeds.iter().cloned().map(StreamExt::into_future).collect();
    assert!(poll(&mut Box::pin(group.next()), &waker).is_pending());
    group.insert(Feed::default().into_future());
    let before = task.wakes();
    feeds[3].push(Some(3));
    assert_eq!(task.wakes(), before + 1);
}

#[test]
fn members_of_a_group_see_the_request_through_next() {
    /// Cancel-safe, and ready when it is asked.
    struct Asked;
    // SAFETY: nothing is lent to anybody, so it may be dropped at any time.
    unsafe impl Async for Asked {
        type Output = ();
        unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let kept = cx.waker().clone();
            drop(kept);
            if cx.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
        }
        fn is_cancel_safe(&self) -> bool {
            true
        }
    }
    // SAFETY: as above.
    unsafe impl CancelSafe for Asked {}
    for n in [1, 9] {
        let mut group: Group<_> = (0..n).map(|_| Asked).collect();
        let (_, waker) = Task::new();
        let flag = CancelFlag::new();
        assert!(poll_under(&mut Box::pin(group.next()), &waker, &flag).is_pending());
        flag.request(Reason::Requested);
        for _ in 0..n {
            assert_eq!(poll_under(&mut Box::pin(group.next()), &waker, &flag), Poll::Ready(Some(())));
        }
    }
}

#[test]
fn wait_until_starts_one_after_the_other() {
    let started = Cell::new(0);
    let a = async {
        started.set(1);
        started.get()
    };
    let mut both = Box::pin(wait_until(yield_now(), a));
    assert!(poll(&mut both, Waker::noop()).is_pending());
    assert_eq!(started.get(), 0);
    assert_eq!(poll(&mut both, Waker::noop()), Poll::Ready(1));
}

/// In plain async code, without any macro of ours.
#[test]
fn plain_code_awaits_what_is_made_of_plain_futures() {
    let all = async {
        let (a, b) = join((async { 1 }, async { 2 })).await;
        let c = race([async { 3 }.boxed(), async { 4 }.boxed()]).await;
        let mut merged = merge((stream::iter([5]), stream::iter([6])));
        let d = merged.next().await;
        let e = AsFuture::new(wait_until(yield_now(), async { 7 })).await;
        let mut group: Group<_> = [async { 8 }].into_iter().collect();
        (a, b, c, d, e, group.next().await)
    };
    assert_eq!(run(all), (1, 2, 3, Some(5), 7, Some(8)));
    assert_eq!(run(join((async { 1 }, async { 2 })).into_future()), (1, 2));
}
