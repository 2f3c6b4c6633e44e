use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

/// Takes the `.await` away and polls what is left as a future.
macro_rules! steal {
    ($call:ident ( ) . await) => {
        core::pin::pin!($call()).as_mut().poll(&mut core::task::Context::from_waker(core::task::Waker::noop()))
    };
    ($($token:tt)*) => { compile_error!(concat!("it got: ", $(stringify!($token), " "),*)) };
}

#[async_fn]
async fn stolen() {
    let _ = steal!(must_finish().await);
}

/// Named like a macro of std, it gets the value that was awaited, and not the await.
macro_rules! println {
    ($text:literal, $($rest:tt)*) => { steal!($($rest)*) };
}

#[async_fn]
async fn printed() {
    println!("{}", must_finish().await);
}

fn unused() {
    let _ = async_block! { plain! { 1 }.await };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
