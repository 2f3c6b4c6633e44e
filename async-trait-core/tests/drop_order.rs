//! The arguments, locals and temporaries of an `#[async_fn]` are dropped exactly when those of an `async fn` are.
#![expect(clippy::toplevel_ref_arg, reason = "every pattern is tried")]

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::Waker,
};

use async_trait_core::{Async, Context, async_fn, yield_now};

mod common;
use common::run;

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<&'static str>>>);

struct Noisy(&'static str, Log);

impl Noisy {
    fn get(&self) -> &str {
        self.0
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.0.borrow_mut().push(self.0);
    }
}

impl Log {
    fn noisy(&self, name: &'static str) -> Noisy {
        Noisy(name, self.clone())
    }
}

struct Fields {
    a: Noisy,
    _b: Noisy,
}

/// Defines the function twice: as an `async fn` in `theirs`, as an `#[async_fn]` in `ours`.
macro_rules! both {
    (@plain $(async fn $name:ident $args:tt $(-> $output:ty)? $body:block)* impl $ty:ident { $(async fn $method:ident $margs:tt $mbody:block)* }) => {
        $(pub async fn $name $args $(-> $output)? $body)*
        pub trait Methods { $(async fn $method $margs;)* }
        impl Methods for $ty { $(async fn $method $margs $mbody)* }
    };
    (@ours $(async fn $name:ident $args:tt $(-> $output:ty)? $body:block)* impl $ty:ident { $(async fn $method:ident $margs:tt $mbody:block)* }) => {
        $(#[async_fn] pub async fn $name $args $(-> $output)? $body)*
        pub trait Methods { $(#[async_fn] async fn $method $margs;)* }
        impl Methods for $ty { $(#[async_fn] async fn $method $margs $mbody)* }
    };
    ($($item:tt)*) => {
        mod theirs { #[allow(unused_imports)] use super::*; both!(@plain $($item)*); }
        mod ours { #[allow(unused_imports)] use super::*; both!(@ours $($item)*); }
    };
}

both! {
    async fn used_and_unused(log: Log, a: Noisy, _b: Noisy, _: Noisy, (c, _): (Noisy, Noisy), ref d: Noisy, f: Fields) {
        let _local = log.noisy("local");
        yield_now().await;
        drop(a);
        let Fields { a, .. } = f;
        log.noisy("temporary").get();
        yield_now().await;
        let _ = (c.get(), d.get(), a.get());
    }
    async fn returns_early(log: Log, a: Noisy, _: Noisy) -> Option<()> {
        let _local = log.noisy("local");
        yield_now().await;
        if a.get() == "a" {
            None?;
        }
        log.0.borrow_mut().push("not reached");
        Some(())
    }
    async fn panics(log: Log, a: Noisy, _: Noisy) {
        let _local = log.noisy("local");
        yield_now().await;
        if a.get() == "a" {
            std::panic::resume_unwind(Box::new(()));
        }
    }
    async fn last_expression(log: Log, a: Noisy) -> usize {
        let local = log.noisy("local");
        yield_now().await;
        local.get().len() + a.get().len() + log.noisy("temporary").get().len()
    }
    impl Noisy {
        async fn unused_self(self, _: Noisy, _b: Noisy) {
            yield_now().await;
        }
        async fn used_self(self, a: Noisy) {
            yield_now().await;
            drop(self);
            yield_now().await;
            let _ = a.get();
        }
    }
}

impl Log {
    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }

    fn fields(&self) -> Fields {
        Fields { a: self.noisy("f.a"), _b: self.noisy("f.b") }
    }
}

/// The drops of a whole run, then of a value that was never polled, then of one that was dropped half-way.
fn drops<A: Async>(make: impl Fn(&Log) -> A) -> [Vec<&'static str>; 2] {
    let log = Log::default();
    let _ = catch_unwind(AssertUnwindSafe(|| run(make(&log))));
    let whole = log.take();
    drop(make(&log));
    [whole, log.take()]
}

macro_rules! same {
    ($log:ident, $($call:tt)*) => {{
        let theirs = drops(|$log| { #[allow(unused_imports)] use theirs::*; $($call)* });
        let ours = drops(|$log| { #[allow(unused_imports)] use ours::*; $($call)* });
        assert!(!ours[0].is_empty());
        assert_eq!(theirs, ours);
    }};
}

#[test]
fn arguments_live_as_long_as_in_an_async_fn() {
    same!(log, {
        let pair = (log.noisy("c"), log.noisy("of the pair"));
        used_and_unused(
            log.clone(),
            log.noisy("a"),
            log.noisy("_b"),
            log.noisy("_"),
            pair,
            log.noisy("d"),
            log.fields(),
        )
    });
    same!(log, returns_early(log.clone(), log.noisy("a"), log.noisy("_")));
    same!(log, panics(log.clone(), log.noisy("a"), log.noisy("_")));
    same!(log, last_expression(log.clone(), log.noisy("a")));
    same!(log, log.noisy("self").unused_self(log.noisy("_"), log.noisy("_b")));
    same!(log, log.noisy("self").used_self(log.noisy("a")));
}

#[test]
fn a_block_that_waits_for_a_plain_future_drops_in_order_too() {
    let half_way = |log: &Log, poll: &dyn Fn(&Log)| {
        poll(log);
        log.take()
    };
    let theirs = half_way(&Log::default(), &|log| {
        let mut value = pin!(theirs::returns_early(log.clone(), log.noisy("a"), log.noisy("_")));
        assert!(value.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending());
    });
    let ours = half_way(&Log::default(), &|log| {
        let value = pin!(ours::returns_early(log.clone(), log.noisy("a"), log.noisy("_")));
        // SAFETY: it waits for a plain future and lends nothing, so dropping it started harms nobody.
        assert!(unsafe { value.poll_async(&mut Context::from_waker(Waker::noop())) }.is_pending());
    });
    assert_eq!(theirs, ours);
    assert_eq!(ours, ["local", "_", "a"]);
}
