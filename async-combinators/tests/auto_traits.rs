//! What the types are, whatever they hold: `Send`, `Sync`, `Unpin`, `CancelSafe`.
#![cfg(feature = "std")]

use std::{
    cell::Cell,
    future::IntoFuture,
    marker::{PhantomData, PhantomPinned},
    pin::Pin,
    rc::Rc,
    task::Poll,
};

use async_combinators::{
    Group, Join, Key, Merge, Race, RaceOk, Select, Selected, TryJoin, UntilEnd, WaitUntil, Zip, join, select,
};
use async_trait_core::{Async, BoxAsync, CancelSafe, CancelSafeIterator, Context, Items};
use futures::stream::Repeat;

type Result = std::result::Result<(), ()>;
type Plain = std::future::Ready<Result>;

/// Not cancel-safe, neither `Send` nor `Unpin`.
struct Local(PhantomPinned, PhantomData<Rc<()>>);

// SAFETY: nothing is lent to anybody.
unsafe impl Async for Local {
    type Output = Result;
    unsafe fn poll_async(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result> {
        Poll::Ready(Ok(()))
    }
}

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn cancel_safe<T: CancelSafe + IntoFuture>() {}
fn iterator<T: CancelSafeIterator>() {}

macro_rules! each {
    ($check:ident: $($Op:ident)+) => {
        $($check::<$Op<(Plain, Plain)>>();
        $check::<$Op<[Plain; 9]>>();
        $check::<$Op<Vec<Plain>>>();)+
    };
}

#[test]
fn operations_are_what_their_children_are() {
    each!(send: Join TryJoin Race RaceOk Select);
    each!(sync: Join TryJoin Race RaceOk Select);
    each!(unpin: Join TryJoin Race RaceOk Select);
    each!(cancel_safe: Join TryJoin Race RaceOk Select);
    // A vector's children are on the heap.
    unpin::<Join<Vec<Local>>>();
    send::<Join<Vec<BoxAsync<'static, ()>>>>();
    cancel_safe::<WaitUntil<Plain, Plain>>();
    cancel_safe::<Join<(Join<(Plain, Plain)>, Race<[Plain; 2]>)>>();
}

#[test]
fn streams_are_what_their_sources_are() {
    send::<Items<Merge<Vec<Repeat<u8>>>>>();
    sync::<Items<Zip<[Repeat<u8>; 3]>>>();
    unpin::<Items<Merge<(Repeat<u8>, UntilEnd<Repeat<u8>>)>>>();
    iterator::<Items<Merge<(Repeat<u8>, Repeat<u8>)>>>();
    iterator::<Items<Zip<(Repeat<u8>, Repeat<Cell<u8>>)>>>();
    send::<Group<Plain>>();
    sync::<Group<Plain>>();
    unpin::<Group<Pin<Box<dyn Future<Output = ()>>>>>();
    iterator::<Group<Join<(Plain, Plain)>>>();
    send::<Key>();
}

#[test]
fn an_operation_is_cancel_safe_at_a_moment_if_its_unfinished_children_are() {
    let all = join((Local(PhantomPinned, PhantomData), async { Ok::<(), ()>(()) }));
    assert!(all.is_cancel_safe(), "fresh");
    let Selected { first, late } = async_trait_core::block_on_with(select((all, async {})), || {});
    let _ = (first, late);
}
