//! What is `Send`, `Sync` and `Unpin`, and what is no `Future`.
#![expect(dead_code, reason = "of each pair of probes one is unused, which is how they tell")]

use std::{
    cell::Cell,
    marker::PhantomPinned,
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
};

use async_trait_core::{
    AsFuture, Async, AsyncBlock, BoxAsync, CancelFlag, CancelSafe, Cancelled, Cause, Context, Items, LocalBoxAsync,
    PollFn, Reason, YieldNow, async_block, async_fn, ready,
};

/// `is!(T: Trait)` is whether it does, known at compile time: an inherent constant hides that of the trait.
macro_rules! is {
    ($ty:ty: $($bound:tt)+) => {{
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        trait No { const IS: bool = false; }
        impl<T: ?Sized> No for Probe<T> {}
        impl<T: ?Sized + $($bound)+> Probe<T> { const IS: bool = true; }
        Probe::<$ty>::IS
    }};
}

/// The same of a value.
macro_rules! is_value {
    ($value:expr, $($bound:tt)+) => {{
        trait No<T> { fn is(&self) -> bool { false } }
        impl<T> No<T> for &Probe<T> {}
        struct Probe<T>(std::marker::PhantomData<T>);
        trait Yes { fn is(&self) -> bool { true } }
        impl<T: $($bound)+> Yes for Probe<T> {}
        fn of<T>(_: &T) -> Probe<T> { Probe(std::marker::PhantomData) }
        (&of(&$value)).is()
    }};
}

#[test]
fn named_types() {
    assert!(is!(AsyncBlock<u8>: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe));
    assert!(!is!(AsyncBlock<Rc<u8>>: Send));
    assert!(!is!(AsyncBlock<Cell<u8>>: Sync));
    assert!(!is!(AsyncBlock<PhantomPinned>: Unpin));

    assert!(is!(BoxAsync<'static, u8>: Send) && !is!(BoxAsync<'static, u8>: Sync) && is!(BoxAsync<'static, u8>: Unpin));
    assert!(is!(BoxAsync<'static, Rc<u8>>: Send), "it holds no output");
    assert!(!is!(LocalBoxAsync<'static, u8>: Send) && is!(LocalBoxAsync<'static, u8>: Unpin));

    assert!(!is!(Context<'static>: Send) && !is!(Context<'static>: Sync));
    assert!(
        is!(CancelFlag: Send + Sync)
            && is!(Cause: Send + Sync)
            && is!(Reason: Send + Sync)
            && is!(Cancelled: Send + Sync)
    );
    assert!(is!(PollFn<u8>: Send + Sync) && is!(PollFn<PhantomPinned>: Unpin));
    assert!(is!(YieldNow: Send + Sync + Unpin));
    assert!(is!(AsFuture<PhantomPinned>: Send) && !is!(AsFuture<PhantomPinned>: Unpin));
    assert!(is!(Items<u8>: Send + Sync + Unpin));
}

#[test]
fn futures_are_cancel_safe_and_blocks_are_not() {
    assert!(is!(std::future::Ready<u8>: Async + CancelSafe));
    assert!(is!(AsyncBlock<std::future::Ready<u8>>: Async));
    assert!(!is!(AsyncBlock<std::future::Ready<u8>>: CancelSafe));
    assert!(!is!(AsyncBlock<std::future::Ready<u8>>: Future));
    assert!(!is!(AsyncBlock<std::future::Ready<u8>>: IntoFuture));
    // Pointers to what must finish are no `Async`: it could be started through one and left behind.
    assert!(!is!(&mut AsyncBlock<std::future::Ready<u8>>: Async));
    assert!(!is!(Box<AsyncBlock<std::future::Ready<u8>>>: Async));
    assert!(!is!(std::pin::Pin<Box<AsyncBlock<std::future::Ready<u8>>>>: Async));
    assert!(!is!(std::pin::Pin<&mut AsyncBlock<std::future::Ready<u8>>>: Async));
    assert!(is!(&mut std::future::Ready<u8>: Async));
}

#[async_fn]
async fn sends<T>(value: T) -> T {
    ready(()).await;
    value
}

#[async_fn]
async fn holds_an_rc() -> u8 {
    let rc = Rc::new(1);
    ready(()).await;
    *rc
}

#[async_fn]
async fn drops_its_rc_before_the_await() -> u8 {
    let n = *Rc::new(1);
    ready(n).await
}

#[async_fn]
async fn has_an_rc_only_in_the_awaited_expression() -> u8 {
    fn same(_: &Rc<u8>, n: u8) -> std::future::Ready<u8> {
        ready(n)
    }
    let future = same(&Rc::new(1), 2);
    future.await
}

#[test]
fn functions_are_send_when_all_that_lives_across_their_awaits_is() {
    assert!(is_value!(sends(1), Send) && is_value!(sends(1), Async) && !is_value!(sends(1), Future));
    assert!(!is_value!(sends(Rc::new(1)), Send));
    assert!(!is_value!(holds_an_rc(), Send));
    assert!(is_value!(drops_its_rc_before_the_await(), Send));
    assert!(is_value!(has_an_rc_only_in_the_awaited_expression(), Send));
    assert!(is_value!(async_block! { sends(1).await + 1 }, Send));
    assert!(!is_value!(async_block! { sends(1).await }, Unpin));
}
