//! A crate that knows the macros through a facade only, and calls that something else.

extern crate test_facade as facade;

use facade::{Async, async_block, async_fn, with_value};

/// By the facade's path.
#[async_fn(crate = facade::__core)]
pub async fn add(a: u32, b: &u32) -> u32 {
    std::future::ready(a).await + *b
}

/// Boxed, which needs more names.
#[async_fn(boxed, crate = facade::__core)]
pub async fn boxed(n: u32) -> u32 {
    if n == 0 { 0 } else { add(boxed(n - 1).await, &1).await }
}

facade::define! {
    /// Written by a macro of the facade.
    pub fn defined(n: u32) -> u32 { add(n, &n).await }
}

/// With attributes that must run before.
#[async_fn(crate = facade::__core)]
#[test_attributes::keep]
pub async fn reordered(n: u32) -> u32 {
    add(n, &1).await
}

/// Blocks need no path.
pub fn block(n: &u32) -> impl Async<Output = Result<u32, std::num::ParseIntError>> {
    async_block! { move
        let sum = with_value!(*n, |value| add(*value, &1).await).await;
        let moved = with_value!(*n, move |value| let one = 1; add(*value, &one).await).await;
        with_value!(*n, |value| -> Result<u32, std::num::ParseIntError> {
            let one = "1".parse()?;
            Ok(add(*value, &one).await + sum + moved)
        })
        .await
    }
}
