//! The public type of an operation: a name around [`Combined`](super::set::Combined).

/// Defines an operation's type with a rule, and makes it an `Async` that is `CancelSafe` and `IntoFuture` if its set is.
macro_rules! operation {
    ($(#[$doc:meta])* pub struct $Name:ident: $Rule:ident) => {
        pin_project_lite::pin_project! {
            $(#[$doc])*
            #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
            pub struct $Name<T: $crate::utils::set::Set<$Rule>> {
                #[pin]
                inner: $crate::utils::set::Combined<T, $Rule>,
            }
        }

        // SAFETY: every clause is passed on to the value inside, which is owned, pinned, polled, dropped and asked with this one.
        unsafe impl<T: $crate::utils::set::Outcome<$Rule>> async_trait_core::Async for $Name<T> {
            type Output = T::Output;

            #[inline]
            unsafe fn poll_async(
                self: core::pin::Pin<&mut Self>,
                cx: &mut async_trait_core::Context<'_>,
            ) -> core::task::Poll<T::Output> {
                // SAFETY: *completed* and *retired* are promised by the caller for this value, hence for the one inside.
                unsafe { self.project().inner.poll_async(cx) }
            }

            fn is_cancel_safe(&self) -> bool {
                self.inner.is_cancel_safe()
            }
        }

        // SAFETY: the value inside is.
        unsafe impl<T> async_trait_core::CancelSafe for $Name<T> where
            T: $crate::utils::set::Outcome<$Rule> + $crate::utils::set::CancelSafeSet<$Rule>
        {
        }

        impl<T> core::future::IntoFuture for $Name<T>
        where
            T: $crate::utils::set::Outcome<$Rule> + $crate::utils::set::CancelSafeSet<$Rule>,
        {
            type Output = T::Output;
            type IntoFuture = async_trait_core::AsFuture<Self>;

            fn into_future(self) -> async_trait_core::AsFuture<Self> {
                async_trait_core::AsFuture::new(self)
            }
        }

        impl<T: $crate::utils::set::Set<$Rule>> core::fmt::Debug for $Name<T> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($Name)).field("children", &self.inner.len()).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use operation;
