//! Behind `#[runtime_glue::main]` and `#[runtime_glue::test]`: who runs the body.
//!
//! The attributes emit `__entry! { [RUNNER] [T] { body } }` as the body of a plain function. Here the body becomes an async block,
//! with `$crate` in front of every name, so the attributes work wherever this crate can be reached.

/// What the attributes expand to.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    ([default] [$($output:tt)*] $body:tt) => {
        $crate::block_on($crate::__core::async_block! { -> $($output)* $body })
    };
    ([on $($runtime:tt)*] [$($output:tt)*] $body:tt) => {
        $crate::RuntimeHandle::new($($runtime)*).block_on($crate::__core::async_block! { -> $($output)* $body })
    };
    ([tokio] [$($output:tt)*] $body:tt) => {
        $crate::__entry_on_tokio!($crate::__core::async_block! { -> $($output)* $body })
    };
    ([seeds $($seeds:tt)*] [$($output:tt)*] $body:tt) => {
        $crate::testing::for_seeds($($seeds)*, |runtime| {
            $crate::__entry_success(runtime.block_on($crate::__core::async_block! { -> $($output)* $body }))
        })
    };
}

/// `main(tokio)`: on a tokio runtime of its own.
#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __entry_on_tokio {
    ($a:expr) => {
        $crate::tokio::block_on($a)
    };
}

/// `main(tokio)` without the adapter.
#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __entry_on_tokio {
    ($a:expr) => {
        compile_error!("`tokio` needs the feature `tokio` of `runtime-glue`")
    };
}

/// Fails the test of one seed if its body yields an error.
#[doc(hidden)]
#[track_caller]
pub fn __entry_success<T: Outcome>(outcome: T) {
    outcome.success();
}

/// What the body of a deterministic test may yield.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a deterministic test yields `()` or a `Result<(), E>` with `E: Debug`, not `{Self}`"
)]
pub trait Outcome {
    #[track_caller]
    fn success(self);
}

impl Outcome for () {
    fn success(self) {}
}

impl<E: std::fmt::Debug> Outcome for Result<(), E> {
    fn success(self) {
        if let Err(error) = self {
            panic!("the test yields an error: {error:?}");
        }
    }
}
