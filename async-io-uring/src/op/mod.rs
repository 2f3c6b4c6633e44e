//! Operations: values that are pinned, lent to the kernel, and taken back.

pub(crate) mod lifecycle;
pub(crate) mod misc;
pub(crate) mod multishot;
pub(crate) mod path;
pub(crate) mod socket;
mod state;
pub(crate) mod transfer;
pub(crate) mod whole;

pub(crate) use lifecycle::{Failure, Kind, Op};
pub(crate) use state::{Finished, Mail, OpState, Phase, Stage};

/// Declares the public type of an operation: a newtype of `Op` with the `Async` impl.
macro_rules! operation {
    ($(#[$doc:meta])* $name:ident<$life:lifetime $(, $param:ident)*>, $kind:ty => $output:ty) => {
        $(#[$doc])*
        #[must_use = "an operation does nothing unless it is awaited"]
        pub struct $name<$life $(, $param)*> {
            op: $crate::op::Op<$kind>,
        }
        $crate::op::operation!(@impls [$life $(, $param)*] $name<$life $(, $param)*>, $kind, $output);
    };
    ($(#[$doc:meta])* $name:ident, $kind:ty => $output:ty) => {
        $(#[$doc])*
        #[must_use = "an operation does nothing unless it is awaited"]
        pub struct $name {
            op: $crate::op::Op<$kind>,
        }
        $crate::op::operation!(@impls [] $name, $kind, $output);
    };
    (@impls [$($generics:tt)*] $name:ty, $kind:ty, $output:ty) => {
        impl<$($generics)*> $name {
            #[inline]
            pub(crate) const fn from_kind(kind: $kind) -> Self {
                Self { op: $crate::op::Op::new(kind) }
            }
        }

        // SAFETY: every clause is passed on to the operation inside, which is pinned with `self` and is dropped, forgotten and
        // polled exactly when `self` is.
        unsafe impl<$($generics)*> async_trait_core::Async for $name {
            type Output = $output;

            #[inline]
            unsafe fn poll_async(
                self: std::pin::Pin<&mut Self>,
                cx: &mut async_trait_core::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                // SAFETY: a projection to the one field, which is never moved out: the type has no `Drop` and no other access to it.
                let op = unsafe { self.map_unchecked_mut(|this| &mut this.op) };
                // SAFETY: *completed* and *retired* are promised by the caller for `self`, hence for its field.
                unsafe { op.poll(cx) }
            }
        }

        impl<$($generics)*> std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(<$kind as $crate::op::Kind>::NAME).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use operation;
