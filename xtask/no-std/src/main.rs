//! A freestanding program: no std, no alloc, no libc. It stands for the firmware that DESIGN promises can use the core crates:
//! linking it proves that they bring nothing along, running it that they work there.
//!
//! `bare.rs` is what a board support package would be, `executor.rs` what an embedded executor would be; this file is the
//! firmware.
#![no_std]
#![no_main]

mod bare;
mod executor;

use core::{
    cell::Cell,
    future::{Future, poll_fn},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::Poll,
};

use async_trait_core::{Async, CancelFlag, Context, Reason, async_block, async_fn, yield_now};
use bare::print;
use executor::{run, run_under};

/// An interrupt would set this.
static BUTTON: AtomicBool = AtomicBool::new(false);

/// A plain future: it may be dropped.
fn button() -> impl Future<Output = ()> {
    poll_fn(|cx| {
        if BUTTON.swap(false, Relaxed) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// DMA into a borrowed buffer: it must finish, so it is no future.
#[async_fn]
async fn adc_read(buffer: &mut [u16; 4]) -> usize {
    for sample in buffer.iter_mut() {
        yield_now().await;
        *sample = 7;
    }
    buffer.len()
}

#[async_fn]
async fn sampler(sum: &Cell<u16>) -> usize {
    let mut buffer = [0; 4];
    let n = adc_read(&mut buffer).await;
    sum.set(buffer.iter().sum());
    n
}

/// Goes on until it is asked to finish, and says why it was.
fn until_asked() -> impl Async<Output = Reason> {
    let poll = |cx: &mut Context<'_>| match cx.cancel_reason() {
        Some(reason) => Poll::Ready(reason),
        None => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    };
    // SAFETY: the function lends nothing to anybody, so *inert*, *quiet* and *last touch* hold of themselves.
    unsafe { async_trait_core::poll_fn(poll) }
}

fn firmware() -> bool {
    let sum = Cell::new(0);
    let samples = run(async_block! {
        BUTTON.store(true, Relaxed);
        button().await;
        sampler(&sum).await
    });
    if (samples, sum.get()) != (4, 28) {
        return false;
    }
    print("4 samples in a borrowed buffer\n");

    let flag = CancelFlag::new();
    flag.request(Reason::Shutdown);
    if run_under(&flag, async_block! { until_asked().await }) != Reason::Shutdown {
        return false;
    }
    print("asked to finish, and finished\n");
    true
}
