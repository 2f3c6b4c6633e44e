//! No operation allocates: neither on a ring of the thread's own, nor on the way to the shared driver.
mod common;

use async_io_uring::{fs::File, pipe::pipe, raw};
use common::*;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises, passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_operation_costs_no_allocation() {
    if async_io_uring::Driver::current().kind() == async_io_uring::DriverKind::BlockingPool {
        return; // the stand-in makes lists for `poll`
    }
    let path = scratch("allocations");
    std::fs::write(&path, [1; 4096]).unwrap();
    for place in Place::each() {
        let (file, (reader, _writer)) = (place.run(File::open(&path)).unwrap(), pipe().unwrap());
        let mut buf = [0; 4096];
        let mut rounds = |n| {
            let before = ALLOCATIONS.load(Relaxed);
            place.run(async_trait_core::async_block! {
                for _ in 0..n {
                    assert_eq!(file.read_at(&mut buf, 0).await.unwrap(), 4096);
                    raw::nop().await.unwrap();
                }
            });
            ALLOCATIONS.load(Relaxed) - before
        };
        let _warm = rounds(100);
        let (few, many) = (rounds(10), rounds(1000));
        // `block_on` itself, and the other threads of the process, may allocate; two thousand operations may not.
        assert!(many <= few + 20, "10 rounds: {few}, 1000 rounds: {many}");
        let _ = place.run(ask(Moment::InFlight, raw::readable(&reader)));
    }
    std::fs::remove_file(path).unwrap();
}
