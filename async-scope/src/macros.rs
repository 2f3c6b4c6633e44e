//! The scope macros. They own the scope in an outer async block and run the body in one nested inside it, so that `'scope` is
//! an external region to the body: a task cannot borrow the body's locals (E0597), and the scope cannot escape (E0716, E0597).
//!
//! Macros and not functions, since a function taking `AsyncFnOnce(&'scope Scope<'scope, 'env>)` compiles, but a scope inside a
//! spawned task then fails with "implementation of `AsyncFnOnce` is not general enough" as soon as `Send` is asked of it.

/// Runs a body in a scope whose tasks may borrow everything that outlives it. The value is an `Async`: await it in an async
/// block, or hand it to `runtime_glue::block_on`.
///
/// Forms: `scope!(|s| body)`, `scope!(move |s| body)`, `scope!(cancellable |s| ..)`, `scope!(|s| -> T { body })`,
/// `scope!(OPTIONS, |s| body)`, where `OPTIONS` is a [`ScopeOptions`](crate::ScopeOptions), evaluated when the value is made.
/// `s` is a name or `_`; it is a [`&Scope`](crate::Scope), to be passed on as one likes. The body is an async block: `.await`
/// takes any `Async`, `return` and `?` leave the body only.
///
/// ```
/// use async_scope::{JoinError, async_fn, scope};
///
/// struct Database { rows: Vec<u64> }
///
/// #[async_fn]
/// async fn foo(db: &Database) -> Result<(u64, usize), JoinError> {
///     scope!(|s| -> Result<(u64, usize), JoinError> {
///         let job1 = s.spawn(async { db.rows.iter().sum() });        // a parallel task, borrows db
///         let job2 = s.spawn_blocking(|| db.rows.len());             // borrows db on a blocking thread
///         Ok((job1.await?, job2.await?))
///     }).await
/// }
///
/// let db = Database { rows: (0..100).collect() };
/// assert_eq!(runtime_glue::block_on(foo(&db)).unwrap(), (4950, 100));
/// ```
///
/// # Panics
/// If the body, a release hook, or a task whose handle nobody awaited panics: the rest is asked to finish and awaited, then
/// the first panic goes on.
///
/// # Cancellation
/// Asked to finish, the scope asks its body and all its tasks, and completes when they have. It is never dropped.
#[macro_export]
macro_rules! scope {
    ($($tokens:tt)+) => { $crate::__scope!(@parse [scope] [] $($tokens)+) };
}

/// A scope whose tasks may fail: the first error asks the others to finish.
///
/// Forms as for [`scope!`](crate::scope!); `s` is a [`&TryScope`](crate::TryScope). Body and tasks yield `Result<_, E>` with one
/// `E: From<Cancelled>`; `?` converts others. The scope yields the body's error, else the first error of a task that nobody
/// awaited, else the body's output.
///
/// ```
/// use async_scope::try_scope;
/// use std::io;
///
/// let result = runtime_glue::block_on(try_scope!(|s| -> io::Result<u64> {
///     let size = s.spawn_blocking(|| Ok(std::fs::metadata("/etc/hosts")?.len()));
///     s.spawn(async { Err::<(), _>(io::Error::other("no such luck")) });
///     size.await
/// }));
/// assert_eq!(result.unwrap_err().to_string(), "no such luck");
/// ```
///
/// # Panics
/// As [`scope!`](crate::scope!).
///
/// # Cancellation
/// As [`scope!`](crate::scope!).
#[macro_export]
macro_rules! try_scope {
    ($($tokens:tt)+) => { $crate::__scope!(@parse [try] [] $($tokens)+) };
}

/// A scope whose result is made by a [`Policy`](crate::policy::Policy), which hears of each task as it ends.
///
/// `policy_scope!(POLICY, |s| body)` or `policy_scope!(OPTIONS, POLICY, |s| body)`, with `move` before `|s|` as usual; `s` is a
/// [`&PolicyScope`](crate::PolicyScope), and the body yields `()`.
///
/// ```
/// use async_scope::{policy::Quorum, policy_scope};
///
/// let outcome = runtime_glue::block_on(policy_scope!(Quorum::<u32, ()>::of(2), |s| {
///     for i in 0..3 {
///         s.spawn(async move { Ok(i) });
///     }
/// }));
/// assert!(outcome.reached);
/// assert_eq!(outcome.ok.len(), 2);
/// ```
///
/// # Panics
/// As [`scope!`](crate::scope!), and with a panic of the policy.
///
/// # Cancellation
/// As [`scope!`](crate::scope!).
#[macro_export]
macro_rules! policy_scope {
    ($policy:expr, |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@policy [$crate::ScopeOptions::new()] [$policy] [] $s $($body)+)
    };
    ($policy:expr, move |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@policy [$crate::ScopeOptions::new()] [$policy] [move] $s $($body)+)
    };
    ($options:expr, $policy:expr, |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@policy [$options] [$policy] [] $s $($body)+)
    };
    ($options:expr, $policy:expr, move |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@policy [$options] [$policy] [move] $s $($body)+)
    };
}

/// A scope whose tasks need not be `Send`: they run in turn, in the polls of the scope itself, and need no runtime. The value is
/// an `Async` that stays on its thread.
///
/// Forms as for [`scope!`](crate::scope!); `s` is a [`&LocalScope`](crate::LocalScope). `local_scope!(futures, |s| body)` takes
/// plain futures only and is itself a plain `Future`, body included; `s` is a [`&FutureScope`](crate::FutureScope).
///
/// ```
/// use async_scope::local_scope;
/// use std::{cell::RefCell, rc::Rc};
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let plain: &dyn Future<Output = ()> = &local_scope!(futures, |s| {
///     s.spawn(async { log.borrow_mut().push("task") });
/// });
/// let n = runtime_glue::block_on(local_scope!(|s| {
///     let log = Rc::clone(&log);
///     s.spawn(async move { log.borrow_mut().push("task"); log.borrow().len() }).await.unwrap()
/// }));
/// assert_eq!(n, 1);
/// ```
///
/// # Panics
/// As [`scope!`](crate::scope!).
///
/// # Cancellation
/// As [`scope!`](crate::scope!); the form for futures is dropped, and its tasks with it.
#[macro_export]
macro_rules! local_scope {
    (futures, $($tokens:tt)+) => { $crate::__scope!(@parse [futures] [] $($tokens)+) };
    ($($tokens:tt)+) => { $crate::__scope!(@parse [local] [] $($tokens)+) };
}

/// Takes a scope macro's arguments apart and puts the async blocks together.
#[doc(hidden)]
#[macro_export]
macro_rules! __scope {
    // -- the head: [kind] [options] modifiers |s| body
    (@parse [$($kind:tt)+] [$($options:tt)*] |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@body [$($kind)+] [$($options)*] [] [] $s $($body)+)
    };
    (@parse [$($kind:tt)+] [$($options:tt)*] move |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@body [$($kind)+] [$($options)*] [move] [move] $s $($body)+)
    };
    (@parse [$($kind:tt)+] [$($options:tt)*] cancellable |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@body [$($kind)+] [$($options)*] [] [cancellable] $s $($body)+)
    };
    (@parse [$($kind:tt)+] [$($options:tt)*] move cancellable |$s:tt| $($body:tt)+) => {
        $crate::__scope!(@body [$($kind)+] [$($options)*] [move] [move cancellable] $s $($body)+)
    };
    (@parse [$($kind:tt)+] [] $options:expr, $($rest:tt)+) => {
        $crate::__scope!(@parse [$($kind)+] [$options] $($rest)+)
    };

    // -- the body, with the way its block captures in both levels; braces around all of it would be braces in a block
    (@body [$($kind:tt)+] [$($options:tt)*] [$($outer:tt)*] [$($inner:tt)*] $s:tt { $($body:tt)+ }) => {
        $crate::__scope!(@options [$($kind)+] [$($options)*] [$($outer)*] [$($inner)*] $s $($body)+)
    };
    (@body $($rest:tt)+) => { $crate::__scope!(@options $($rest)+) };

    // -- the options
    (@options [$($kind:tt)+] [] [$($outer:tt)*] [$($inner:tt)*] $s:tt $($body:tt)+) => {
        $crate::__scope!(@block [$($kind)+] [$crate::ScopeOptions::new()] [$($outer)*] [$($inner)*] $s $($body)+)
    };
    (@options [$($kind:tt)+] [$options:expr] [$($outer:tt)*] [$($inner:tt)*] $s:tt $($body:tt)+) => {
        // Evaluated now, and moved into the block.
        match $options {
            options => $crate::__scope!(@block [$($kind)+] [options] [$($outer)*] [$($inner)*] $s $($body)+)
        }
    };

    (@block [scope] [$options:expr] [$($outer:tt)*] [$($inner:tt)*] $s:tt $($body:tt)+) => {
        $crate::__core::async_block! { $($outer)*
            // An expression of the caller's is never inside `unsafe`, also where this macro is called by hand.
            let options = $options;
            // SAFETY: the scope is pinned in this block's frame, before its future; the future is made once, below.
            let scope = unsafe { $crate::Scope::new(options) };
            let handle = &scope;
            let $s = handle;
            let body = $crate::__core::async_block! { $($inner)* $($body)+ };
            // SAFETY: as above; only the body was given the scope.
            unsafe { $crate::__private::ScopeFuture::new(handle, body) }.await
        }
    };

    (@block [local] [$options:expr] [$($outer:tt)*] [$($inner:tt)*] $s:tt $($body:tt)+) => {
        $crate::__core::async_block! { $($outer)*
            // An expression of the caller's is never inside `unsafe`, also where this macro is called by hand.
            let options = $options;
            // SAFETY: the scope is pinned in this block's frame, before its future; the future is made once, below.
            let scope = unsafe { $crate::LocalScope::new(options) };
            let handle = &scope;
            let $s = handle;
            let body = $crate::__core::async_block! { $($inner)* $($body)+ };
            // SAFETY: as above; only the body was given the scope.
            unsafe { $crate::__private::OnOneThread::new(handle, body) }.await
        }
    };

    (@block [futures] [$options:expr] [$($outer:tt)*] [$($inner:tt)*] $s:tt $($body:tt)+) => {
        $crate::__core::plain! { $($outer)*
            // An expression of the caller's is never inside `unsafe`, also where this macro is called by hand.
            let options = $options;
            // SAFETY: the scope is pinned in this block's frame, before its future; the future is made once, below.
            let scope = unsafe { $crate::FutureScope::new(options) };
            let handle = &scope;
            let $s = handle;
            let body = $crate::__core::plain! { $($inner)* $($body)+ };
            // SAFETY: as above; only the body was given the scope.
            unsafe { $crate::__private::FuturesFuture::new(handle, body) }.await
        }
    };

    (@block [try] [$options:expr] [$($outer:tt)*] [$($inner:tt)*] $s:tt $($body:tt)+) => {
        $crate::__core::async_block! { $($outer)*
            // An expression of the caller's is never inside `unsafe`, also where this macro is called by hand.
            let options = $options;
            // SAFETY: the scope is pinned in this block's frame, before its future; the future is made once, below.
            let scope = unsafe { $crate::TryScope::new(options) };
            let handle = &scope;
            let $s = handle;
            let body = $crate::__core::async_block! { $($inner)* $($body)+ };
            let body = $crate::__private::TryBody::new(handle, body);
            // SAFETY: as above; only the body was given the scope.
            let output = unsafe { $crate::__private::ScopeFuture::new(handle, body) }.await;
            handle.result(output)
        }
    };

    (@policy [$options:expr] [$policy:expr] [$($capture:tt)*] $s:tt { $($body:tt)+ }) => {
        $crate::__scope!(@policy [$options] [$policy] [$($capture)*] $s $($body)+)
    };
    (@policy [$options:expr] [$policy:expr] [$($capture:tt)*] $s:tt $($body:tt)+) => {
        // Evaluated now, and moved into the block.
        match ($options, $policy) {
            (options, policy) => $crate::__core::async_block! { $($capture)*
                // SAFETY: the scope is pinned in this block's frame, before its future; the future is made once, below.
                let scope = unsafe { $crate::PolicyScope::new(options, policy) };
                let handle = &scope;
                handle.finish_on_exit();
                let $s = handle;
                let body = $crate::__core::async_block! { $($capture)* $($body)+ };
                // SAFETY: as above; only the body was given the scope.
                unsafe { $crate::__private::ScopeFuture::new(handle, body) }.await;
                handle.output()
            }
        }
    };
}
