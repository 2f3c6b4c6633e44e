//! The deadline in force, as an ambient value beside the flags: what a shield must hide and a timeout may only shorten.
//!
//! Without the feature `time` there are no deadlines, and this is where that is decided.

use async_trait_core::Context;

/// The deadline that a combinator sets for its child, if any.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    #[cfg(feature = "time")]
    at: Option<std::time::Instant>,
}

impl Limit {
    pub(crate) const fn none() -> Self {
        Self {
            #[cfg(feature = "time")]
            at: None,
        }
    }

    #[cfg(feature = "time")]
    pub(crate) const fn at(at: std::time::Instant) -> Self {
        Self { at: Some(at) }
    }

    /// Runs `f` with a context in which this deadline is in force, if it is before the one outside.
    #[inline]
    pub(crate) fn under<R>(self, cx: &mut Context<'_>, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        #[cfg(feature = "time")]
        if let Some(at) = self.at {
            let deadline = crate::AmbientDeadline::within(at, cx);
            return f(&mut cx.with_value(&deadline));
        }
        f(cx)
    }
}

/// Runs `f` with a context that hides requests and deadlines from outside.
#[inline]
pub(crate) fn hidden<R>(cx: &mut Context<'_>, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
    #[cfg(feature = "time")]
    if crate::AmbientDeadline::of(cx).is_some() {
        let none = crate::AmbientDeadline::none();
        return f(&mut cx.shielded().with_value(&none));
    }
    f(&mut cx.shielded())
}
