//! The same operations under other executors: through the shared driver, with the executor's threads asleep meanwhile.
mod common;

use async_io_uring::{Driver, DriverKind, net::UnixStream};
use async_scope::{ScopeOptions, async_fn, scope};
use common::is_cancelled;
use runtime_glue::{Runtime, RuntimeHandle};

/// Pairs of tasks that play a ball back and forth, one task that waits in vain, and a cancel.
#[async_fn(send)]
async fn play<R: Runtime + Clone>(runtime: R) -> usize {
    scope!(ScopeOptions::new().on(&runtime), |s| {
        let (idle, _silent) = UnixStream::pair().unwrap();
        let idle = s.spawn(async move { idle.read(&mut [0]).await.unwrap_err() });
        let mut pairs = Vec::new();
        for _ in 0..20 {
            let (a, b) = UnixStream::pair().unwrap();
            pairs.push(s.spawn(async move {
                let mut ball = [0];
                for n in 0..50u8 {
                    a.write_all(&[n]).await.unwrap();
                    a.read_exact(&mut ball).await.unwrap();
                    assert_eq!(ball, [n + 1]);
                }
                1
            }));
            s.spawn(async move {
                let mut ball = [0];
                while b.read(&mut ball).await.unwrap() == 1 {
                    b.write_all(&[ball[0] + 1]).await.unwrap();
                }
            });
        }
        let mut played = 0;
        for pair in pairs {
            played += pair.await.unwrap();
        }
        idle.cancel();
        assert!(is_cancelled(&idle.await.unwrap()));
        assert_ne!(Driver::current().kind(), DriverKind::Ring);
        played
    })
    .await
}

#[test]
fn tokio_runs_them() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let played = tokio.block_on(async { runtime_glue::run(play(runtime_glue::tokio::current())).await });
    assert_eq!(played, 20);
}

#[test]
fn smol_runs_them() {
    let smol = runtime_glue::smol::global();
    assert_eq!(smol.block_on(play(smol.clone())), 20);
}

#[test]
fn the_default_pool_runs_them() {
    assert_eq!(runtime_glue::block_on(play(RuntimeHandle::current())), 20);
}
