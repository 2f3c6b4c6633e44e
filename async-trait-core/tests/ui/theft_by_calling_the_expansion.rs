#![allow(break_with_label_and_loop)]
#![forbid(unsafe_code)]

// With paths of one's own, the expansion would call any unsafe function: so who calls it has to write the word `unsafe`.
mod evil {
    pub mod __private {
        pub struct Token;
        impl Token {
            pub const fn new() -> u32 {
                0
            }
        }
        pub fn awaited<T>(value: T, _: u32) -> std::future::Ready<T> {
            std::future::ready(value)
        }
        pub fn block<T>(value: T) -> T {
            value
        }
    }
}

fn with_the_word() {
    let _ = async_trait_core::__private::expand_block! { unsafe [evil] 1.await };
}

fn without_it() {
    let _ = async_trait_core::__private::expand_block! { [evil] 1.await };
}

mod function {
    async_trait_core::__private::expand_fn! { unsafe [super::evil] [] async fn with_the_word() { 1.await; } }
    async_trait_core::__private::expand_fn! { [super::evil] [] async fn without_it() { 1.await; } }
}

fn main() {}
