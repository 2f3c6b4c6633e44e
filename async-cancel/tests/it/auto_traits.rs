//! What may be sent, shared and pinned.

use std::panic::{RefUnwindSafe, UnwindSafe};

use async_cancel::{
    CancelFlag, CancellationToken, Cancelled, Cause, DropGuard, Elapsed, OrElse, Reason, Registration, Timeout,
    TokenCancelled, TokenCancelledOwned, TokenStopping, TokenStoppingOwned, Under, cancel_when, cancelled, checkpoint,
    finally, is_cancelled, on_cancel,
};
use async_trait_core::{Async, CancelSafe, async_block};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn send_sync<T: Send + Sync>() {}

/// Neither `Send` nor `Sync`.
struct Local(std::marker::PhantomData<*mut ()>);

#[test]
fn tokens_and_their_parts_go_anywhere() {
    send_sync::<CancellationToken>();
    send_sync::<DropGuard>();
    send_sync::<Registration>();
    send_sync::<TokenCancelled<'static>>();
    send_sync::<TokenCancelledOwned>();
    send_sync::<TokenStopping<'static>>();
    send_sync::<TokenStoppingOwned>();
    send_sync::<CancelFlag>();
    send_sync::<(Cancelled, Reason, &Cause)>();
    unpin::<(CancellationToken, DropGuard, Registration, Elapsed<()>)>();
    fn unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    unwind_safe::<CancellationToken>();
}

#[test]
fn combinators_are_what_their_parts_are() {
    send::<Timeout<std::future::Ready<()>, std::future::Ready<u8>>>();
    sync::<Timeout<std::future::Ready<()>, std::future::Ready<u8>>>();
    send_sync::<Under<std::future::Ready<u8>>>();
    send_sync::<OrElse<std::future::Ready<u8>>>();
    fn is_send(_: impl Send) {}
    is_send(async_block! {
        is_cancelled().await;
        checkpoint().await.ok();
        cancelled().await
    });
    is_send(on_cancel(async {}, |_| ()));
    is_send(finally(async {}, async {}));
    // A value that is not `Send` may be in them all the same.
    let local = cancel_when(std::future::ready(Local(std::marker::PhantomData)), std::future::ready(1));
    drop(local);
}

#[test]
fn what_is_cancel_safe_and_what_is_not() {
    fn cancel_safe<T: CancelSafe>() {}
    cancel_safe::<OrElse<std::future::Ready<u8>>>();
    cancel_safe::<Timeout<TokenCancelled<'static>, OrElse<std::future::Ready<u8>>>>();
    fn not_even_around_a_future(a: &impl Async) {
        assert!(!a.is_cancel_safe());
    }
    not_even_around_a_future(&async_cancel::shield(async {}));
    not_even_around_a_future(&on_cancel(async {}, |_| ()));
    not_even_around_a_future(&finally(async {}, async {}));
}
