//! The deadline that a combinator sets for its child, and what a shield hides.
//!
//! Without the feature `time` there are no deadlines, and this is the one place where that is decided.

use async_trait_core::Context;

/// The deadline that a combinator sets for its child, if any.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    None,
    /// So long after the first poll.
    #[cfg(feature = "time")]
    After(std::time::Duration),
    #[cfg(feature = "time")]
    At(std::time::Instant),
}

impl Limit {
    /// Runs `f` with a context in which this deadline is in force, if it is before the one outside.
    #[inline]
    pub(crate) fn under<R>(&mut self, cx: &mut Context<'_>, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        #[cfg(feature = "time")]
        if let Some(at) = self.resolve(cx) {
            let deadline = crate::AmbientDeadline::within(at, cx);
            return f(&mut cx.with_value(&deadline));
        }
        f(cx)
    }

    /// When it is; a duration begins now.
    #[cfg(feature = "time")]
    fn resolve(&mut self, cx: &Context<'_>) -> Option<std::time::Instant> {
        if let Self::After(duration) = *self {
            *self = crate::deadline::now(cx).checked_add(duration).map_or(Self::None, Self::At);
        }
        match *self {
            Self::At(at) => Some(at),
            _ => None,
        }
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
