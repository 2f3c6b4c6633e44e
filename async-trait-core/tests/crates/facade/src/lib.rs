//! A crate that hands the macros on, for users who do not know where they come from.

#[doc(hidden)]
pub use async_trait_core as __core;
pub use async_trait_core::{Async, BoxAsync, async_block, async_fn, block_on_with, plain};

/// A macro of another crate around `async_block!`, as `scope!` is.
#[macro_export]
macro_rules! with_value {
    ($value:expr, |$name:ident| -> $output:ty { $($body:tt)* }) => {
        $crate::__core::async_block! {
            let value = $value;
            let $name = &value;
            $crate::__core::async_block! { -> $output { $($body)* } }.await
        }
    };
    ($value:expr, move |$name:ident| $($body:tt)*) => {
        $crate::__core::async_block! { move
            let value = $value;
            let $name = &value;
            $crate::__core::async_block! { move $($body)* }.await
        }
    };
    ($value:expr, |$name:ident| $($body:tt)*) => {
        $crate::__core::async_block! {
            let value = $value;
            let $name = &value;
            $crate::__core::async_block! { $($body)* }.await
        }
    };
}

/// An `#[async_fn]` written by a macro of another crate.
#[macro_export]
macro_rules! define {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $output:ty $body:block) => {
        $(#[$meta])*
        #[$crate::async_fn(crate = $crate::__core)]
        $vis async fn $name($($arg: $ty),*) -> $output $body
    };
}
