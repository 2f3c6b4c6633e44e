//! `Elapsed`: an operation did not finish in its time, and what it handed back all the same.

use core::{error::Error, fmt};

use async_trait_core::Reason;

/// An operation was asked to finish before it was done, by its deadline, its signal or from outside.
///
/// A plain future was dropped then, and there is no output. An async block was asked and waited for, and whatever it
/// returned is here: nothing it has read, accepted or written is lost.
///
/// # Examples
/// ```
/// use async_cancel::{Reason, cancel_when, cancelled};
/// use async_trait_core::{async_block, block_on_with, ready};
///
/// let work = async_block! {
///     let rows_written = 3;
///     cancelled().await;
///     rows_written
/// };
/// let elapsed = block_on_with(cancel_when(async_trait_core::yield_now(), work), || {}).unwrap_err();
/// assert_eq!(elapsed.reason(), Reason::Requested);
/// assert_eq!(elapsed.into_output(), Some(3));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Elapsed<T> {
    reason: Reason,
    output: Option<T>,
}

impl<T> Elapsed<T> {
    pub(crate) const fn new(reason: Reason, output: Option<T>) -> Self {
        Self { reason, output }
    }

    /// What the operation returned after it was asked; `None` if it was dropped.
    pub fn into_output(self) -> Option<T> {
        self.output
    }

    /// Why it was asked to finish.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The error without the output, for places that do not care for it: `Elapsed<()>` has no type to name.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::{Elapsed, cancel_when};
    /// use async_trait_core::{block_on_with, pending, ready};
    ///
    /// let result: Result<u32, Elapsed<()>> =
    ///     block_on_with(cancel_when(ready(()), pending::<u32>()), || {}).map_err(Elapsed::without_output);
    /// assert!(result.is_err());
    /// ```
    #[must_use]
    pub fn without_output(self) -> Elapsed<()> {
        Elapsed { reason: self.reason, output: None }
    }
}

impl<T> fmt::Debug for Elapsed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elapsed").field("reason", &self.reason).field("has_output", &self.output.is_some()).finish()
    }
}

impl<T> fmt::Display for Elapsed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done in time: {}", self.reason)
    }
}

impl<T> Error for Elapsed<T> {}
