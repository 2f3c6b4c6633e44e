//! Procedural macros of `async-trait-core` and `runtime-glue`. Use them through those crates.
//!
//! What an async body becomes is told in `async-trait-core/src/block.rs`. Here is how it is written:
//!
//! ```text
//! #[async_fn(..)] async fn f() { .. }     order.rs: waits until every other attribute has expanded, then emits
//!   path::__async_fn! { [..] async fn .. }  a macro_rules of async-trait-core, which adds `$crate` and `unsafe`
//!     expand_fn! { unsafe [$crate] .. }     function.rs: the signature; body.rs: the body; std_macros.rs: println! and so on
//!
//! async_block! { .. }                     the same macro_rules shape
//!   expand_block! { unsafe [$crate] .. }    block.rs: options; body.rs
//! ```
//!
//! So what stands in a user's crate names no path that a user can choose next to an `unsafe`, and needs no dependency but
//! the one through which the macro came.
//!
//! Read next: `body.rs`.

mod attributes;
mod block;
mod body;
mod boxed;
mod entry;
mod function;
mod glue;
mod options;
mod order;
mod std_macros;

use proc_macro::TokenStream;

/// Makes an `async fn` return an `Async`; `async_trait_core::async_fn`.
#[proc_macro_attribute]
pub fn async_fn(args: TokenStream, item: TokenStream) -> TokenStream {
    order::async_fn(args.into(), item.into(), || syn::parse_quote!(::async_trait_core)).into()
}

/// The same for users who depend on `async-scope` only: `async_scope::async_fn`.
#[proc_macro_attribute]
pub fn async_fn_in_scope(args: TokenStream, item: TokenStream) -> TokenStream {
    order::async_fn(args.into(), item.into(), || syn::parse_quote!(::async_scope::__core)).into()
}

/// A plain `async` block, also inside the body of an `#[async_fn]`: `plain! { [move] .. }` is a `Future`.
///
/// In the body of an `#[async_fn]` and in `async_block!`, `async { .. }` is an async block, which may await any `Async` and is
/// no `Future`. This is the way to a future there, for what takes futures only. Its `.await` is the language's own.
#[proc_macro]
pub fn plain(input: TokenStream) -> TokenStream {
    block::plain(input.into()).into()
}

/// What `async_block!` expands to. Not for people: it wants the word `unsafe` and a crate in its input.
#[doc(hidden)]
#[proc_macro]
pub fn expand_block(input: TokenStream) -> TokenStream {
    block::expand(input.into()).into()
}

/// What `#[async_fn]` expands to. Not for people: it wants the word `unsafe` and a crate in its input.
#[doc(hidden)]
#[proc_macro]
pub fn expand_fn(input: TokenStream) -> TokenStream {
    function::expand(input.into()).into()
}

/// Runs an `async fn main` on the default runtime, or another; `runtime_glue::main`.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::main(args.into(), item.into()).into()
}

/// Makes an `async fn` a test; `runtime_glue::test`.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::test(args.into(), item.into()).into()
}
