//! *Alan builds a cache.* A request goes out, the answer is written to the cache, and the caller has a timeout.
//!
//! Today the timeout drops the future between the two awaits, and the cache stays stale for ever:
//!
//! ```text
//! async fn get_response(cache: &Cache) -> Response {
//!     let response = perform_request().await;      // <- dropped here by `timeout`, or
//!     cache.set(&response).await;                  // <- here, half-way
//!     response
//! }
//! tokio::time::timeout(SECOND, get_response(&cache)).await
//! ```

use std::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use async_cancel::{OrCancelled as _, shield, timeout};
use async_scope::{async_fn, scope};
use async_trait_core::yield_now;
use runtime_glue::{sleep, testing};

#[derive(Default)]
struct Cache {
    begun: AtomicU32,
    written: AtomicU32,
}

impl Cache {
    #[async_fn(send)]
    async fn set(&self) {
        self.begun.fetch_add(1, SeqCst);
        yield_now().await;
        sleep(Duration::from_millis(300)).await;
        self.written.fetch_add(1, SeqCst);
    }
}

/// The request notices the timeout; the write is not interrupted by it.
#[async_fn(send)]
async fn get_response(cache: &Cache) -> Option<u32> {
    let answered = sleep(Duration::from_millis(900)).or_cancelled().await.is_ok();
    shield(cache.set()).await;
    answered.then_some(7)
}

#[test]
fn the_cache_is_written_exactly_once_whatever_the_timing() {
    let mut run = 0;
    testing::for_seeds(0..1000, |rt| {
        let cache = Cache::default();
        // From long before the request is answered to long after the write.
        let limit = Duration::from_millis(100 * (run % 15));
        run += 1;
        let result = rt.block_on(scope!(|s| {
            s.spawn(async { sleep(Duration::from_millis(1)).await });
            timeout(limit, get_response(&cache)).await
        }));
        assert_eq!((cache.begun.load(SeqCst), cache.written.load(SeqCst)), (1, 1), "{}", rt.trace());
        // The answer is not lost either, in time or late.
        let answer = result.unwrap_or_else(|late| late.into_output().unwrap());
        assert_eq!(answer.is_some(), limit >= Duration::from_millis(900), "{limit:?}");
    });
}
