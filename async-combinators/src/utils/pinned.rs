//! Pinned arrays and vectors, element by element. All pin projection that `pin-project-lite` cannot do is here.

use core::pin::Pin;

/// A fixed number of pinned elements.
///
/// # Invariants
/// The elements are pinned whenever the value is: nothing here moves them or hands out `&mut` to them.
pub trait PinSlice {
    /// What it is made of.
    type Element;

    /// The elements, pinned.
    fn as_pin_slice(self: Pin<&mut Self>) -> Pin<&mut [Self::Element]>;

    /// The elements, shared.
    fn as_slice(&self) -> &[Self::Element];
}

/// An array whose elements are pinned with it. `Unpin` only if they are.
pub struct PinArray<T, const N: usize>([T; N]);

impl<T, const N: usize> PinArray<T, N> {
    #[inline]
    pub(crate) fn new(elements: [T; N]) -> Self {
        Self(elements)
    }

    /// Makes something of every element.
    #[inline]
    pub(crate) fn map<R>(self: Pin<&mut Self>, mut f: impl FnMut(Pin<&mut T>) -> R) -> [R; N] {
        let mut elements = self.as_pin_slice();
        core::array::from_fn(|index| f(pin_at(elements.as_mut(), index)))
    }
}

impl<T, const N: usize> PinSlice for PinArray<T, N> {
    type Element = T;

    #[inline]
    fn as_pin_slice(self: Pin<&mut Self>) -> Pin<&mut [T]> {
        // SAFETY: the array is pinned exactly when this value is: the struct has no `Drop`, is `Unpin` only if its field is, and no
        // method moves the field or hands out `&mut` to it otherwise.
        unsafe { self.map_unchecked_mut(|this| &mut this.0[..]) }
    }

    #[inline]
    fn as_slice(&self) -> &[T] {
        &self.0
    }
}

/// One element of a pinned slice.
///
/// # Panics
/// If there is none at `index`.
#[inline]
pub(crate) fn pin_at<T>(slice: Pin<&mut [T]>, index: usize) -> Pin<&mut T> {
    // SAFETY: the elements of a pinned slice are pinned: they lie in its memory, and a slice has no way to move them out.
    unsafe { slice.map_unchecked_mut(|slice| &mut slice[index]) }
}

#[cfg(feature = "alloc")]
pub use with_alloc::PinVec;

#[cfg(feature = "alloc")]
mod with_alloc {
    use alloc::{boxed::Box, vec::Vec};
    use core::pin::Pin;

    use super::{PinSlice, pin_at};

    /// Elements pinned on the heap.
    pub struct PinVec<T>(Pin<Box<[T]>>);

    impl<T> PinVec<T> {
        /// Makes something of every element.
        pub(crate) fn map<R>(self: Pin<&mut Self>, mut f: impl FnMut(Pin<&mut T>) -> R) -> Vec<R> {
            let mut elements = self.as_pin_slice();
            (0..elements.len()).map(|index| f(pin_at(elements.as_mut(), index))).collect()
        }
    }

    impl<T> FromIterator<T> for PinVec<T> {
        fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
            Self(Box::into_pin(elements.into_iter().collect()))
        }
    }

    impl<T> PinSlice for PinVec<T> {
        type Element = T;

        #[inline]
        fn as_pin_slice(self: Pin<&mut Self>) -> Pin<&mut [T]> {
            self.get_mut().0.as_mut()
        }

        #[inline]
        fn as_slice(&self) -> &[T] {
            &self.0
        }
    }
}
