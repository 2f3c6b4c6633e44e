//! A strict crate on edition 2021 that knows `async-trait-core` by another name.
//!
//! That it compiles, and that clippy finds nothing, is the test: no lint of a user fires on what the macros write.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    missing_debug_implementations,
    missing_docs,
    nonstandard_style,
    rust_2018_idioms,
    unused,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    meta_variable_misuse,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::undocumented_unsafe_blocks,
    clippy::dbg_macro,
    clippy::unwrap_used
)]

use std::{fmt::Display, future::ready, sync::Mutex};

use renamed::{async_block, Async, Cancelled};

/// Several awaits, borrowed arguments, patterns and unused ones.
#[renamed::async_fn(crate = renamed)]
pub async fn shapes(
    (a, b): (u32, u32),
    text: &str,
    mut c: u32,
    _unused: u8,
    _: u8,
) -> Result<u32, std::num::ParseIntError> {
    c += ready(a).await;
    let n = ready(text.parse::<u32>()).await?;
    for i in 0..ready(b).await {
        c += i;
    }
    Ok(c + n)
}

/// Captures the elided lifetime, as edition 2021 would not.
#[renamed::async_fn(crate = ::renamed)]
pub async fn elided<'a, T>(all: &'a [T], _: &str) -> Option<&'a T> {
    ready(all.first()).await
}

/// Sent to other threads.
#[renamed::async_fn(send, crate = renamed)]
pub async fn send(shared: &Mutex<u32>) -> u32 {
    let before = *shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let after = elided(&[before], "").await.copied();
    after.unwrap_or_default()
}

/// Boxed and recursive.
#[renamed::async_fn(boxed, crate = renamed)]
pub async fn boxed<T: Display + Sync>(n: u32, shown: &T) -> String {
    if n == 0 {
        return format!("{shown}");
    }
    format!("{}{n}", boxed(n - 1, shown).await)
}

/// Asked to finish.
#[renamed::async_fn(cancellable, crate = renamed)]
pub async fn cancellable(n: u32) -> Result<u32, Cancelled> {
    Ok(ready(n).await)
}

/// A trait with all of it.
pub trait Source {
    /// Without a body.
    #[renamed::async_fn(send, crate = renamed)]
    async fn get(&self, key: &str) -> Option<String>;

    /// With one.
    #[renamed::async_fn(crate = renamed)]
    async fn size(&self, key: &str) -> usize {
        self.get(key).await.map_or(0, |text| text.len())
    }

    /// For `dyn`.
    #[renamed::async_fn(boxed, crate = renamed)]
    async fn boxed_get(&self, key: &str) -> Option<String>
    where
        Self: Sync,
    {
        self.get(key).await
    }
}

/// Implements it.
#[derive(Debug)]
pub struct Prefix(pub String);

impl Source for Prefix {
    #[renamed::async_fn(send, crate = renamed)]
    async fn get(&self, key: &str) -> Option<String> {
        ready(Some(format!("{}{key}", self.0))).await
    }
}

impl Prefix {
    /// By value.
    #[renamed::async_fn(crate = renamed)]
    pub async fn into_len(self, extra: usize) -> usize {
        ready(self.0.len()).await + extra
    }

    /// A method that does not use what it is given.
    #[must_use]
    #[renamed::async_fn(crate = renamed)]
    pub async fn unused(&mut self, _text: String) {}
}

/// std's macros and blocks.
pub fn blocks<'a>(text: &'a str, all: &'a mut Vec<u32>) -> impl Async<Output = usize> + 'a {
    async_block! { move
        assert!(ready(true).await, "{} {}", ready(1).await, text);
        assert_eq!(ready(1).await, 1);
        debug_assert_ne!(ready(1).await, 2, "no");
        println!("{} {text}", ready(1).await);
        let made = vec![ready(1).await, 2];
        let shown = format!("{}{}", ready(1).await, text.len());
        let both = async { elided(&made, text).await.copied() };
        all.extend(both.await);
        if matches!(all.first(), Some(n) if ready(*n).await > 3) {
            return 0;
        }
        let sum: u32 = all.iter().sum();
        let closure = |n: u32| async move { ready(n).await };
        shown.len() + sum as usize + closure(1).await as usize
    }
}

/// A temporary of the last expression lives on past the locals, in this edition.
pub fn last_expression() -> impl Async<Output = usize> {
    async_block! {
        let n = 1;
        ready(n).await + String::from("temporary").as_str().len()
    }
}
