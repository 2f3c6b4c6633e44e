//! If anything could move a rewritten await to another place, its label would not reach: written out by hand here.
#![allow(unused, break_with_label_and_loop)]
use async_trait_core::{
    __private::{Token, awaited, block},
    async_fn, yield_now,
};

#[async_fn]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

fn blocks() {
    let _ = block(async {
        'body: {
            let stolen = async { awaited(must_finish(), { if false { break 'body loop {} } unsafe { Token::new() } }).await };
            let _ = std::pin::pin!(stolen);
        }
    });
    let _ = block(async {
        'body: {
            let _ = || awaited(must_finish(), { if false { break 'body loop {} } unsafe { Token::new() } });
        }
    });
    let _ = block(async {
        'body: {
            async fn item() -> u32 {
                awaited(must_finish(), { if false { break 'body loop {} } unsafe { Token::new() } }).await
            }
            let _ = item();
        }
    });
}

fn main() {}
