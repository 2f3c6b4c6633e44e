#![forbid(unsafe_code)]

// Whatever `async_trait_core` is here, what the attribute hands to it contains no `unsafe` to take away.
extern crate self as async_trait_core;
extern crate test_attributes;

#[macro_export]
macro_rules! __async_fn {
    ([$($option:tt)*] $async:tt $($rest:tt)*) => {
        // If the first token were an `unsafe` of the attribute's, this would pass `forbid(unsafe_code)`.
        $async fn stolen() -> u8 { *core::ptr::null::<u8>() }
    };
}

mod real {
    // The attribute itself is the real one, by way of the crate it came from.
    pub use test_facade::async_fn;
}

#[real::async_fn]
async fn function() {}

fn main() {}
