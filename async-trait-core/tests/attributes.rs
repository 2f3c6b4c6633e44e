//! Other attributes beside `#[async_fn]` and in its body: attribute macros run before it and see what the user wrote.

use async_trait_core::{Async, async_fn, yield_now};
use test_attributes::{adds_another, keep, sees, strips_awaits, wraps_the_body};

mod common;
use common::run;

#[async_fn(send)]
async fn later<T: Send>(value: T) -> T {
    yield_now().await;
    value
}

fn is_as_written(saw: &str) {
    assert!(saw.contains("await") && !saw.contains("__private") && !saw.contains("unsafe"), "{saw}");
}

#[async_fn(send)]
#[sees(BELOW)]
/// Docs between attributes.
#[cfg_attr(all(), sees(CONDITIONAL))]
#[keep]
async fn below(n: u32) -> u32 {
    later(n).await
}

#[sees(ABOVE)]
#[async_fn(send)]
#[keep]
async fn above(n: u32) -> u32 {
    later(n).await
}

#[async_fn]
#[adds_another]
async fn another(n: u32) -> u32 {
    later(n).await
}

trait Methods {
    #[async_fn(send)]
    #[keep]
    async fn required(&self) -> u32;

    #[keep]
    #[async_fn(boxed)]
    #[keep]
    async fn provided(&self) -> u32
    where
        Self: Sync,
    {
        self.required().await
    }
}

impl Methods for u32 {
    #[async_fn(send)]
    #[keep]
    async fn required(&self) -> u32 {
        later(*self).await
    }
}

#[test]
fn attribute_macros_run_before() {
    for saw in [BELOW, CONDITIONAL, ABOVE] {
        is_as_written(saw);
    }
    assert_eq!(run(below(1)) + run(above(1)) + run(another(1)) + run(1.provided()), 4);
}

/// What a thief gets has never been started, and cannot be but by awaiting it.
#[async_fn]
#[strips_awaits]
async fn stolen(n: u32) -> impl Async<Output = u32> {
    later(n).await
}

/// The block that it puts around the body is an async block as well.
#[async_fn]
#[wraps_the_body]
async fn wrapped(n: u32) -> u32 {
    later(n).await + 1
}

#[test]
fn what_they_make_of_it_is_what_we_rewrite() {
    assert_eq!(run(run(stolen(1))), 1);
    assert_eq!(run(wrapped(1)), 2);
}

#[async_fn]
async fn in_the_body(n: u32) -> u32 {
    #![expect(unused_variables)]
    #[rustfmt::skip]
    let a   =   later(n).await;
    #[allow(clippy::let_and_return)]
    let b = {
        let c = later(1).await;
        c
    };
    #[cfg(any())]
    let a = does_not_exist(later(1).await);
    #[cfg_attr(any(), allow(unused))]
    let unused = 1;
    #[expect(unreachable_code)]
    if false {
        return 0;
        later(()).await;
    }
    #[sees(INNER)]
    #[async_fn]
    async fn inner(n: u32) -> u32 {
        later(n).await
    }
    is_as_written(INNER);
    match later(n).await {
        #[cfg(any())]
        1 => 100,
        #[allow(clippy::match_same_arms)]
        1 => inner(a + b).await,
        _ => 0,
    }
}

#[test]
fn built_in_and_tool_attributes_in_the_body() {
    assert_eq!(run(in_the_body(1)), 2);
}
