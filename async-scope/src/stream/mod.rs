//! Streams whose work runs in tasks of a scope, so that a slow consumer never stalls work in flight (the "nested await"
//! problem of *Barbara battles buffered streams*, rust-lang/futures-rs#2387).
//!
//! Read next: `in_order.rs`, `as_completed.rs`, `channel.rs`.

mod as_completed;
mod channel;
mod in_order;
mod pump;

use async_trait_core::{Async, AsyncIterator, Items, items};

pub use self::{
    as_completed::{BufferUnorderedIn, ForEachIn},
    channel::{Received, SendError, SendItem, Sender},
    in_order::BufferedIn,
};
use crate::Scope;

/// Adaptors for streams, and for any [`AsyncIterator`], whose work runs in tasks of a scope. Import it as
/// `use async_scope::StreamInScope as _`.
///
/// ```
/// use async_scope::{StreamInScope as _, async_fn, scope};
///
/// #[async_fn(send)]
/// async fn square(n: &u32) -> u32 {
///     n * n
/// }
///
/// let numbers = [1, 2, 3, 4, 5];
/// let squares = runtime_glue::block_on(scope!(|s| {
///     // `numbers` is borrowed by tasks that run in parallel.
///     let work = async_trait_core::items(futures::stream::iter(&numbers)).map(square);
///     work.buffered_in(3, s).collect::<Vec<_>>().await
/// }));
/// assert_eq!(squares, [1, 4, 9, 16, 25]);
/// ```
pub trait StreamInScope: AsyncIterator + Sized {
    /// Spawns up to `n` of the items at once as tasks of `s`, and yields their outputs in the order of the items.
    ///
    /// Items are taken only when the result is polled, but what was taken runs on meanwhile.
    ///
    /// # Panics
    /// If `n` is 0. The panic of a task goes on where its output would be yielded.
    ///
    /// # Cancellation
    /// Asked to finish, it takes no more items, asks its tasks, and yields what they still return. Dropped, it asks its tasks.
    fn buffered_in<'s>(self, n: usize, s: &'s Scope<'s>) -> Items<BufferedIn<'s, Self>>
    where
        Self::Item: Async + Send + 's,
        <Self::Item as Async>::Output: Send + 's,
    {
        items(BufferedIn::new(self, n, s))
    }

    /// Spawns up to `n` of the items at once as tasks of `s`, and yields their outputs as they come.
    ///
    /// # Panics
    /// If `n` is 0. The panic of a task cancels the scope and goes on out of it.
    ///
    /// # Cancellation
    /// As [`buffered_in`](Self::buffered_in).
    fn buffer_unordered_in<'s>(self, n: usize, s: &'s Scope<'s>) -> Items<BufferUnorderedIn<'s, Self>>
    where
        Self::Item: Async + Send + 's,
        <Self::Item as Async>::Output: Send + 's,
    {
        items(BufferUnorderedIn::new(self, n, s))
    }

    /// Runs `f` on each item, up to `n` at once, each in a task of `s`.
    ///
    /// # Panics
    /// As [`buffer_unordered_in`](Self::buffer_unordered_in).
    ///
    /// # Cancellation
    /// Asked to finish, it takes no more items, asks its tasks, and waits for them.
    fn for_each_in<'s, A>(self, n: usize, s: &'s Scope<'s>, f: impl FnMut(Self::Item) -> A) -> impl Async<Output = ()>
    where
        A: Async<Output = ()> + Send + 's,
    {
        ForEachIn::new(BufferUnorderedIn::new(items(self).map(f), n, s))
    }

    /// Runs the iterator itself in a background task of `s`, up to `cap` items ahead of who takes them; the result is a plain
    /// stream, which may be merged, or dropped between two items.
    ///
    /// # Panics
    /// If `cap` is 0. A panic of the iterator cancels the scope and goes on out of it.
    ///
    /// # Cancellation
    /// When the result is dropped or the scope ends, the iterator is not asked for more. [`Received::close`] hands back what
    /// nobody took.
    fn spawn_in<'s>(self, cap: usize, s: &'s Scope<'s>) -> Items<Received<'s, Self::Item>>
    where
        Self: Send + 's,
        Self::Item: Send + 's,
    {
        let (sender, received) = channel::new(cap);
        drop(s.spawn_background(pump::Pump::new(self, sender)));
        items(received)
    }
}

impl<I: AsyncIterator> StreamInScope for I {}

impl<'s> Scope<'s> {
    /// Runs a source of items in a background task, up to `cap` items ahead of who takes them. What it has half-read stays in
    /// its task, so the result is a plain stream, which may be merged, or dropped between two items.
    ///
    /// ```
    /// use async_scope::scope;
    ///
    /// let sum = runtime_glue::block_on(scope!(|s| {
    ///     let mut numbers = s.produce(2, |tx| async move {
    ///         for n in 0..10 {
    ///             if tx.send(n).await.is_err() { break }
    ///         }
    ///     });
    ///     let mut sum = 0;
    ///     while let Some(n) = numbers.next().await { sum += n }
    ///     sum
    /// }));
    /// assert_eq!(sum, 45);
    /// ```
    ///
    /// # Panics
    /// If `cap` is 0. A panic of the source cancels the scope and goes on out of it.
    ///
    /// # Cancellation
    /// When the result is dropped, [`Sender::send`] returns the item in an error; when the scope ends, the source is asked to
    /// finish.
    #[track_caller]
    pub fn produce<T, A>(&'s self, cap: usize, f: impl FnOnce(Sender<'s, T>) -> A + Send + 's) -> Items<Received<'s, T>>
    where
        T: Send + 's,
        A: Async<Output = ()> + Send + 's,
    {
        let (sender, received) = channel::new(cap);
        drop(self.spawn_background(f(sender)));
        items(received)
    }
}
