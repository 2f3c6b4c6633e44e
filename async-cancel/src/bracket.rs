//! `bracket!`: acquire, use, release; the release runs however the use ended.
//!
//! A macro and not a function, since no closure type can lend `&mut R` to an async body: the body's type would have to name the
//! lifetime of the loan. So the macro makes one async block that owns the resource and runs body and release in blocks nested
//! in it, one after the other. What is here is what the nested blocks are wrapped in.

use core::{marker::PhantomData, pin::Pin, task::Poll};

use async_trait_core::{Async, Cancelled, Context, Reason};
use pin_project_lite::pin_project;

use crate::contain::Held;

/// Acquires a resource, lends it to a body, and releases it however the body ended: `bracket!(acquire, |r| { body }, |r, result| release)`.
///
/// - `acquire` is an `Async<Output = Result<R, E>>`. If it fails, nothing else runs and its error is the result. It is asked to
///   finish like anything else; what it has acquired when it succeeds all the same is released.
/// - The body has `r: &mut R` and yields `Result<T, E>`. It is an async block: `.await` takes any `Async`, `return` and `?` leave
///   the body only. Where its type cannot be inferred, name it: `|r| -> Result<T, E> { .. }`. With `move |r|` the body and
///   the release own what they use.
/// - The release has `r: R` and `result: &Result<T, E>`. It is shielded: a request that is pending does not reach it.
///
/// The value is an `Async<Output = Result<T, E>>`.
///
/// After a panic of the body there is no result to show. If `E: From<Cancelled>` the release is shown such an error, with
/// [`Reason::SiblingFailed`]; a release that does not look (`|r, _|`) needs none; otherwise `r` is dropped and the release does
/// not run.
///
/// # Examples
/// ```
/// use async_cancel::{Cancelled, bracket, checkpoint};
/// use async_trait_core::{async_fn, block_on_with};
/// use std::cell::RefCell;
///
/// struct Transaction<'a> { log: &'a RefCell<Vec<&'static str>> }
///
/// impl<'a> Transaction<'a> {
///     #[async_fn]
///     async fn begin(log: &'a RefCell<Vec<&'static str>>) -> Result<Self, Cancelled> {
///         checkpoint().await?;
///         Ok(Self { log })
///     }
///     #[async_fn]
///     async fn put(&mut self) -> Result<u32, Cancelled> {
///         self.log.borrow_mut().push("put");
///         Ok(1)
///     }
///     #[async_fn]
///     async fn end(self, commit: bool) {
///         self.log.borrow_mut().push(if commit { "commit" } else { "roll back" });
///     }
/// }
///
/// let log = RefCell::new(vec![]);
/// let rows = bracket!(
///     Transaction::begin(&log),
///     |tx| { Ok(tx.put().await? + tx.put().await?) },
///     |tx, result| tx.end(result.is_ok()).await
/// );
/// assert_eq!(block_on_with(rows, || {}), Ok(2));
/// assert_eq!(log.into_inner(), ["put", "put", "commit"]);
/// ```
///
/// # Panics
/// With the panic of the body, after the release; else with that of the release. Without the feature `std` a panic of the body
/// aborts, since the resource could not be released.
///
/// # Cancellation
/// The request is passed on to what is being awaited, `acquire` and body, each of which ends in its own way; then the release
/// runs without noticing it.
#[cfg(feature = "macros")]
#[macro_export]
macro_rules! bracket {
    ($acquire:expr, |$r:tt| $($rest:tt)+) => { $crate::__bracket!(@body [] [$acquire] [$r] $($rest)+) };
    ($acquire:expr, move |$r:tt| $($rest:tt)+) => { $crate::__bracket!(@body [move] [$acquire] [$r] $($rest)+) };
    ($($other:tt)*) => { $crate::__bracket!(@wrong) };
}

/// Takes the arguments of `bracket!` apart and puts the async blocks together.
#[cfg(feature = "macros")]
#[doc(hidden)]
#[macro_export]
macro_rules! __bracket {
    (@body $move:tt $acquire:tt $r:tt -> $t:ty { $($body:tt)* }, $($rest:tt)+) => {
        $crate::__bracket!(@release $move $acquire $r [-> $t] { $($body)* } $($rest)+)
    };
    (@body $move:tt $acquire:tt $r:tt { $($body:tt)* }, $($rest:tt)+) => {
        $crate::__bracket!(@release $move $acquire $r [] { $($body)* } $($rest)+)
    };
    (@body $move:tt $acquire:tt $r:tt $body:expr, $($rest:tt)+) => {
        $crate::__bracket!(@release $move $acquire $r [] { $body } $($rest)+)
    };

    (@release $move:tt $acquire:tt $r:tt $t:tt $body:tt |mut $owned:ident, $result:tt| $release:expr $(,)?) => {
        $crate::__bracket!(@blocks $move $acquire $r $t $body [mut $owned] [$result] [$release])
    };
    (@release $move:tt $acquire:tt $r:tt $t:tt $body:tt |$owned:tt, $result:tt| $release:expr $(,)?) => {
        $crate::__bracket!(@blocks $move $acquire $r $t $body [$owned] [$result] [$release])
    };

    (@blocks [$($move:tt)?] [$acquire:expr] [$r:tt] [$($t:tt)*] { $($body:tt)* } [$($owned:tt)+] [$result:tt] [$release:expr]) => {
        $crate::__private::async_block! { $($move)?
            let acquired = $acquire.await;
            let error = $crate::__private::error_type(&acquired);
            match acquired {
                $crate::__private::Err(error) => $crate::__private::Err(error),
                $crate::__private::Ok(resource) => {
                    let mut resource = resource;
                    let lent = &mut resource;
                    let body = $crate::__private::async_block! { $($move)? $($t)* {
                        let $r = lent;
                        $($body)*
                    } };
                    let ended = $crate::__private::Run::body(error, body).await;
                    let mut told = $crate::__bracket!(@tell $result ended error);
                    if let $crate::__private::Some(seen) = told.shown() {
                        let release = $crate::__private::async_block! { $($move)? -> () {
                            let $($owned)+ = resource;
                            $crate::__bracket!(@bind $result seen);
                            $release
                        } };
                        let released = $crate::__private::Run::release($crate::shield(release)).await;
                        told.released(released);
                    }
                    told.finish()
                }
            }
        }
    };

    (@wrong) => {
        ::core::compile_error!("`bracket!` is written `bracket!(acquire, [move] |r| [-> Result<T, E>] { body }, |r, result| release)`")
    };
    // Not the head of anything above.
    (@body $($other:tt)*) => { $crate::__bracket!(@wrong) };
    (@release $($other:tt)*) => { $crate::__bracket!(@wrong) };

    // A release that does not look at the result needs none after a panic.
    (@tell _ $ended:ident $error:ident) => { $ended.unseen() };
    (@tell $result:tt $ended:ident $error:ident) => {{
        use $crate::__private::Otherwise as _;
        $ended.seen(|| $error.after_panic())
    }};
    (@bind _ $seen:ident) => { let _ = $seen; };
    (@bind $result:tt $seen:ident) => { let $result = $crate::__private::result($seen); };
}

/// What the expansion of `bracket!` names. Not for people: no promise is made about any of it from one version to the next.
#[doc(hidden)]
pub mod private {
    pub use core::{
        option::Option::Some,
        result::Result::{Err, Ok},
    };

    pub use async_trait_core::async_block;

    pub use super::{Ended, ErrorType, Otherwise, Run, error_type, result};
}

/// The error type of a bracket, known from `acquire` before the body's type is.
pub struct ErrorType<E>(PhantomData<fn() -> E>);

impl<E> Clone for ErrorType<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorType<E> {}

/// The error type of what `acquire` yielded.
pub fn error_type<R, E>(_: &Result<R, E>) -> ErrorType<E> {
    ErrorType(PhantomData)
}

impl<E: From<Cancelled>> ErrorType<E> {
    /// What a release is shown after a panic. Found before the trait's method of this name where the bound holds.
    pub fn after_panic(self) -> Option<E> {
        Some(Cancelled::from_reason(Reason::SiblingFailed).into())
    }
}

/// For error types that cannot be made of [`Cancelled`].
pub trait Otherwise<E>: Sized {
    /// Nothing that a release could be shown.
    fn after_panic(self) -> Option<E> {
        None
    }
}

impl<E> Otherwise<E> for ErrorType<E> {}

pin_project! {
    /// Runs a block of a bracket and catches its panic.
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct Run<A> {
        // `None` once it is complete, so that a panic of its destructor is caught too.
        #[pin]
        a: Option<A>,
        held: Held,
    }
}

impl<A> Run<A> {
    /// Runs the body.
    pub fn body<T, E>(_: ErrorType<E>, a: A) -> Self
    where
        A: Async<Output = Result<T, E>>,
    {
        Self { a: Some(a), held: Held::none() }
    }

    /// Runs the release.
    pub fn release(a: A) -> Self
    where
        A: Async<Output = ()>,
    {
        Self { a: Some(a), held: Held::none() }
    }
}

// SAFETY: *inert*: constructing only stores. *quiet*: the block is the only thing that is started, and this returns `Ready` when it
// is complete, and does not unwind. *honest*: never cancel-safe. *last touch*: nothing here reports to another thread.
unsafe impl<A: Async> Async for Run<A> {
    type Output = Ended<A::Output>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let a = this.a.as_mut().as_pin_mut().expect("a block of `bracket!` was polled after it was complete");
        // SAFETY: *completed*, *retired*: promised by the caller for this value, hence for the block; it is taken away below when it
        // is complete, by returning or by unwinding.
        let output = match this.held.run(true, || unsafe { a.poll_async(cx) }) {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(output)) => Some(output),
            None => None,
        };
        let _ = this.held.run(true, || this.a.set(None));
        Poll::Ready(Ended { output, held: core::mem::replace(this.held, Held::none()) })
    }
}

/// How a block of a bracket ended: with an output, or with a panic, or, if a destructor panicked at the end, with both.
pub struct Ended<T> {
    output: Option<T>,
    held: Held,
}

impl<T, E> Ended<Result<T, E>> {
    /// For a release that does not look.
    pub fn unseen(self) -> Told<T, E> {
        Told { result: self.output, runs: true, held: self.held }
    }

    /// For a release that looks.
    pub fn seen(self, after_panic: impl FnOnce() -> Option<E>) -> Told<T, E> {
        let result = self.output.or_else(|| after_panic().map(Err));
        Told { runs: result.is_some(), result, held: self.held }
    }
}

/// What a release is shown, and what comes after it.
pub struct Told<T, E> {
    result: Option<Result<T, E>>,
    runs: bool,
    held: Held,
}

impl<T, E> Told<T, E> {
    /// What the release is shown; `None` if it cannot run.
    pub fn shown(&self) -> Option<Option<&Result<T, E>>> {
        self.runs.then_some(self.result.as_ref())
    }

    /// The release is done. Of two panics the first goes on.
    pub fn released(&mut self, released: Ended<()>) {
        if self.held.is_some() {
            released.held.discard();
        } else {
            self.held = released.held;
        }
    }

    /// The result, or the panic.
    pub fn finish(mut self) -> Result<T, E> {
        self.held.resume();
        self.result.expect("without a panic there is a result")
    }
}

/// The result, for a release that looks: it does not run without one.
pub fn result<T, E>(shown: Option<&Result<T, E>>) -> &Result<T, E> {
    shown.expect("a release that looks at the result runs only with one")
}
