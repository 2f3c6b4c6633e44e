//! Tasks without a scope: output, panic, detachment, cancellation.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use runtime_glue::{JoinError, block_on, spawn};

#[test]
fn output_comes_through_the_handle() {
    for n in 0..1000 {
        assert_eq!(block_on(spawn(async move { n })).unwrap(), n);
    }
}

#[test]
fn panic_is_the_observers() {
    let error = block_on(spawn(async { panic!("boom {}", 1) })).unwrap_err();
    assert!(matches!(&error, JoinError::Panicked(panic) if panic.message() == Some("boom 1")), "{error}");
}

#[test]
fn dropped_handle_detaches() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..100 {
        let (output, tell) = (Count(Arc::clone(&count)), tell.clone());
        drop(spawn(async move {
            async_trait_core::yield_now().await;
            tell.send(()).unwrap();
            output
        }));
    }
    drop(tell);
    assert_eq!(told.iter().count(), 100);
    while count.load(SeqCst) < 100 {
        std::thread::yield_now();
    }
}

#[test]
fn plain_future_is_dropped_when_asked() {
    let handle = spawn(std::future::pending::<()>());
    handle.cancel();
    assert!(matches!(block_on(handle), Err(JoinError::Cancelled(_))));
}
