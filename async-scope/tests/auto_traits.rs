//! Which of the public types are `Send`, `Sync` and `Unpin`, and under what condition: a promise to users, and for the types with
//! unsafe implementations a part of the soundness.

use std::{cell::Cell, future::IntoFuture, marker::PhantomData, rc::Rc};

use async_scope::{
    Async, BlockingCx, Builder, FutureScope, JoinError, JoinHandle, LocalScope, Reserve, Scope, ScopeOptions, Slot,
    SpawnWhenFree, TaskTree, TryJoinHandle, TryReserve, TryScope, TrySlot, local_scope, scope,
};
use runtime_glue::{BlockingJob, CancelOnDrop, Panic, RuntimeHandle, Work};

/// Answers whether a type has a trait, where a bound would only refuse: an inherent constant, if its bound is met, hides that of the
/// trait.
struct Probe<T: ?Sized>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T: ?Sized> Otherwise for Probe<T> {}

impl<T: ?Sized + Send> Probe<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> Probe<T> {
    const SYNC: bool = true;
}

fn unpin<T: Unpin>() {}

macro_rules! auto_traits {
    ($($ty:ty: $send:literal $sync:literal;)*) => {
        $(
            assert_eq!(Probe::<$ty>::SEND, $send, "Send for {}", stringify!($ty));
            assert_eq!(Probe::<$ty>::SYNC, $sync, "Sync for {}", stringify!($ty));
            unpin::<$ty>();
        )*
    };
}

/// `Send`, not `Sync`.
type OnlySend = Cell<u8>;
/// Neither.
type Neither = Rc<u8>;
/// `Sync`, not `Send`.
type OnlySync = std::sync::MutexGuard<'static, u8>;

#[test]
fn of_named_types() {
    auto_traits! {
        // Type, Send, Sync. All are `Unpin`.
        Scope<'static>: true true;
        &'static Scope<'static>: true true;
        ScopeOptions: true true;
        TaskTree: true true;
        Builder<'static>: true true;
        Slot<'static>: true true;
        Reserve<'static>: true true;
        SpawnWhenFree<'static, OnlySend>: true false;
        SpawnWhenFree<'static, Neither>: false false;

        // A handle hands out its output, on whatever thread; sharing it shows nothing of that.
        JoinHandle<u8>: true true;
        JoinHandle<OnlySend>: true true;
        JoinHandle<OnlySync>: false false;
        JoinHandle<Neither>: false false;
        <JoinHandle<u8> as IntoFuture>::IntoFuture: true true;
        <JoinHandle<Neither> as IntoFuture>::IntoFuture: false false;
        CancelOnDrop<OnlySend>: true true;
        CancelOnDrop<Neither>: false false;
        JoinError: true true;
        Panic: true true;

        // An error goes to another thread with a task; so the scope of such tasks needs it to be `Send`.
        TryScope<'static, OnlySend>: true true;
        TryScope<'static, Neither>: false false;
        TryJoinHandle<u8, OnlySend>: true true;
        TryJoinHandle<u8, Neither>: false false;
        TrySlot<'static, OnlySend>: true true;
        TryReserve<'static, OnlySend>: true true;

        // On their thread.
        LocalScope<'static>: false false;
        &'static LocalScope<'static>: false false;
        FutureScope<'static>: false false;
        BlockingCx<'static>: false false;

        // What a runtime is handed.
        Work: true true;
        BlockingJob: true true;
        RuntimeHandle: true true;
    }
}

fn send<T: Send>(value: T) -> T {
    value
}

#[test]
fn of_values() {
    let data = [1, 2, 3];
    // A scope is `Send` when its body is, tasks and all.
    let value = send(scope!(|s| {
        s.spawn(async { data.len() });
        s.spawn(scope!(|inner| { inner.spawn(async { data.len() }).await.unwrap() }));
        s.on_exit(async { assert_eq!(data.len(), 3) });
        s.reserve().await.spawn(async {});
    }));
    runtime_glue::block_on(value);
    // What goes over to the default runtime, lifetimes and all, is `'static`.
    fn is_static<A: Async + Send + 'static>(_: &A) {}
    let owned = String::from("1");
    let value = scope!(move |s| { s.spawn(async move { owned.len() }).await.unwrap() });
    is_static(&value);
    assert_eq!(runtime_glue::block_on(value), 1);
    // A body that is not `Send` is fine, where nobody asks.
    let rc = Rc::new(1);
    assert_eq!(runtime_glue::block_on(scope!(|s| { s.spawn(async { 1 }).await.unwrap() + *rc })), 2);
    assert_eq!(runtime_glue::block_on(local_scope!(|s| { s.spawn(async { *rc }).await.unwrap() + *rc })), 2);
}
