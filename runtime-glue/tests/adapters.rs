//! The adapters: tasks run in the host's context, timers and blocking jobs are the host's, and its shutdown loses nothing.
#![cfg(all(feature = "tokio", feature = "smol"))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use runtime_glue::{JoinError, Runtime as _, run, sleep, smol, spawn};

fn flavours() -> [tokio::runtime::Runtime; 2] {
    [
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
    ]
}

#[test]
fn tokios_own_operations_work_in_tasks() {
    for host in flavours() {
        let n = host.block_on(async {
            assert_eq!(runtime_glue::tokio::current().name(), "tokio");
            run(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let inner = spawn(async { tokio::spawn(async { 40 }).await.unwrap() });
                sleep(Duration::from_millis(1)).await;
                inner.await.unwrap() + tokio::task::spawn_blocking(|| 2).await.unwrap()
            })
            .await
        });
        assert_eq!(n, 42);
    }
}

#[test]
fn a_panic_goes_on_in_the_host() {
    for host in flavours() {
        let panic = host.block_on(async { tokio::spawn(run(async { panic!("ours") })).await.unwrap_err() });
        assert_eq!(panic.into_panic().downcast_ref(), Some(&"ours"));
    }
}

#[test]
fn a_host_that_shuts_down_leaves_its_tasks_to_the_rescue() {
    let done = Arc::new(AtomicUsize::new(0));
    let mut handles = Vec::new();
    for _ in 0..50 {
        for host in flavours() {
            let done = Arc::clone(&done);
            handles.push(host.block_on(async {
                spawn(async_trait_core::async_block! { move
                    // Longer than the host lives; afterwards this crate's timer wakes it.
                    sleep(Duration::from_millis(5)).await;
                    done.fetch_add(1, SeqCst);
                })
            }));
            host.shutdown_background();
        }
    }
    for handle in handles {
        runtime_glue::block_on(handle).unwrap();
    }
    assert_eq!(done.load(SeqCst), 100);
}

#[test]
fn smol_runs_tasks_and_timers() {
    let smol = smol::global();
    let n = smol.block_on(async {
        let task = spawn(async {
            sleep(Duration::from_millis(1)).await;
            42
        });
        task.await.unwrap()
    });
    assert_eq!(n, 42);
    let cancelled = smol.spawn(sleep(Duration::from_secs(3600)));
    cancelled.cancel();
    assert!(matches!(smol.block_on(cancelled), Err(JoinError::Cancelled(_))));
}

#[runtime_glue::main(tokio)]
async fn on_tokio() -> u32 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    42
}

#[test]
fn the_attribute_for_main() {
    assert_eq!(on_tokio(), 42);
}
