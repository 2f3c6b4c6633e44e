//! The `macro_rules` in front of the procedural macros.
//!
//! They add `$crate`, so that everything an expansion names comes from this crate, whatever it is called where the macro is
//! used and whoever depends on it only through others; and they add the word `unsafe`, which the procedural macros want to see
//! in their input and use for the blocks they write. So the `unsafe` of an expansion is this crate's, next to paths of this
//! crate; and who calls the procedural macros directly, with other paths, has to write the word, where
//! `forbid(unsafe_code)` sees it.

/// An [`Async`](crate::Async) written in place, in which `.await` takes any `Async`: `async_block! { [move] [cancellable] .. }`.
///
/// `return` and `?` leave the block, as in `async { .. }`. With `move` the block owns what it uses. With `cancellable` its awaits
/// notice a request by themselves, as under [`#[async_fn(cancellable)]`](crate::async_fn). A block whose type cannot be inferred,
/// often one with `?`, may name it: `async_block! { move -> io::Result<()> { .. } }`.
///
/// What is rewritten, and what is left as written, is told at [`async_fn`](crate::async_fn).
///
/// ```
/// use async_trait_core::{Async, async_block, block_on_with, ready};
///
/// fn twice<'a>(a: impl Async<Output = u32> + 'a) -> impl Async<Output = u32> + 'a {
///     async_block! { move
///         let n = a.await;
///         n + ready(n).await
///     }
/// }
/// assert_eq!(block_on_with(twice(async_block! { 21 }), || {}), 42);
///
/// let typed = async_block! { -> Result<u32, core::num::ParseIntError> { Ok("7".parse::<u32>()?) } };
/// assert_eq!(block_on_with(typed, || {}), Ok(7));
/// ```
///
/// An `Async` may not be awaited in plain async code, because nothing would keep that from being dropped half-way:
///
/// ```compile_fail,E0277
/// let plain = async { async_trait_core::async_block! { 1 }.await };
/// ```
///
/// # Cancellation
/// The block is asked, never dropped: it goes on until it ends in its own way.
#[macro_export]
macro_rules! async_block {
    ($($tokens:tt)*) => { $crate::__private::expand_block! { unsafe [$crate] $($tokens)* } };
}

/// What `#[async_fn]` expands to.
#[doc(hidden)]
#[macro_export]
macro_rules! __async_fn {
    ($($tokens:tt)*) => { $crate::__private::expand_fn! { unsafe [$crate] $($tokens)* } };
}

/// Stops an expansion that needs the heap where the feature is off.
#[cfg(feature = "alloc")]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_alloc {
    () => {};
}

/// Stops an expansion that needs the heap where the feature is off.
#[cfg(not(feature = "alloc"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_alloc {
    () => {
        compile_error!("`#[async_fn(boxed)]` needs the feature `alloc` of `async-trait-core`");
    };
}
