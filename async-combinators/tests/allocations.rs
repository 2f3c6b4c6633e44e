//! What is allocated: nothing for tuples, nothing for what is ready at once, one block for the woken set.
#![cfg(feature = "alloc")]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    task::Waker,
};

use async_combinators::{join, race, try_join};
use async_trait_core::{block_on_with, ready, yield_now};
use common::{Wait, gates, poll};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is done by `System`; counting touches only a thread-local cell without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(f: impl FnOnce()) -> usize {
    let before = COUNT.get();
    f();
    COUNT.get() - before
}

#[test]
fn tuples_and_small_arrays_allocate_nothing() {
    let n = allocations(|| {
        block_on_with(join((yield_now(), yield_now(), yield_now())), || {});
        block_on_with(join([yield_now(), yield_now(), yield_now(), yield_now()]), || {});
        block_on_with(race((yield_now(), yield_now())), || {});
        _ = block_on_with(try_join((ready(Ok::<_, ()>(1)), ready(Err::<(), _>(())))), || {});
    });
    assert_eq!(n, 0);
}

#[test]
fn an_array_that_is_ready_at_once_allocates_nothing() {
    let n = allocations(|| {
        let all = block_on_with(join([const { Some(()) }; 100].map(ready)), || {});
        assert_eq!(all.len(), 100);
    });
    assert_eq!(n, 0);
}

#[test]
fn an_array_allocates_one_woken_set() {
    let (gates, children) = gates(100);
    let children: [Wait; 100] = children.try_into().ok().expect("a hundred");
    let mut all = Box::pin(join(children));
    let n = allocations(|| {
        assert!(poll(&mut all, Waker::noop()).is_pending());
        for gate in &gates {
            gate.open();
            let _ = poll(&mut all, Waker::noop());
        }
    });
    assert_eq!(n, 1);
}

#[test]
fn a_vector_allocates_slots_woken_set_and_outputs() {
    let (gates, children) = gates(100);
    let n = allocations(|| {
        let mut all = Box::pin(join(children));
        assert!(poll(&mut all, Waker::noop()).is_pending());
        for gate in &gates {
            gate.open();
            let _ = poll(&mut all, Waker::noop());
        }
    });
    assert!(n <= 4, "{n}: the test's box, slots, the set, outputs");
}
