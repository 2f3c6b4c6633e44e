use async_trait_core::{
    __private::{Await, Token, awaited},
    async_fn, yield_now,
};

#[async_fn]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

fn forged() {
    let _ = awaited(must_finish(), Token { _private: () });
}

fn without_the_function() {
    let _ = Await { child: must_finish() };
}

fn main() {}
