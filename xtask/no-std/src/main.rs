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

use async_cancel::{OrCancelled as _, cancel_when, cancelled, finally, shield};
use async_combinators::{OneOf2, Selected, join, race, select};
use async_trait_core::{CancelFlag, Cancelled, Reason, async_block, async_fn, yield_now};
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

/// A clock for those who have none.
async fn ticks(n: u32) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// DMA into a borrowed buffer: it must finish, so it is no future. It takes a tick for each sample.
#[async_fn]
async fn adc_read(buffer: &mut [u16]) -> usize {
    for sample in buffer.iter_mut() {
        yield_now().await;
        *sample = 7;
    }
    buffer.len()
}

/// Reads four samples; the deadline asks, and the read hands over what it has all the same.
#[async_fn]
async fn sampler(deadline: u32, sum: &Cell<u16>) -> bool {
    let mut buffer = [0; 4];
    let in_time = match cancel_when(ticks(deadline), adc_read(&mut buffer)).await {
        Ok(n) => n == 4,
        Err(late) => late.into_output() != Some(4),
    };
    sum.set(buffer.iter().sum());
    in_time
}

/// Whether the button was pressed before the time was up.
#[async_fn]
async fn blinker() -> bool {
    BUTTON.store(true, Relaxed);
    let Selected { first, late: (pressed, _) } = select((button(), ticks(100))).await;
    matches!(first, OneOf2::A(())) || pressed.is_some()
}

fn borrows_and_joins() -> bool {
    let (early, late) = (Cell::new(0), Cell::new(0));
    let outcomes = run(async_block! { join((sampler(10, &early), sampler(1, &late), blinker())).await });
    // The late one was read to its end too: nothing may touch the buffer when it is gone.
    outcomes == (true, false, true) && (early.get(), late.get()) == (28, 28)
}

fn races_and_asks_the_loser() -> bool {
    let asked = Cell::new(None);
    let loser = async_block! {
        asked.set(Some(cancelled().await));
        2
    };
    let winner = async_block! {
        ticks(3).await;
        1
    };
    run(race((loser, winner))) == 1 && asked.get() == Some(Reason::LostRace)
}

fn hears_a_request_and_cleans_up() -> bool {
    let flag = CancelFlag::new();
    flag.request(Reason::Shutdown);
    let cleaned = Cell::new(false);
    let work = async_block! {
        let shielded = shield(async_block! { ticks(2).or_cancelled().await }).await;
        (shielded, ticks(u32::MAX).or_cancelled().await)
    };
    let outcome = run_under(&flag, finally(work, async_block! { cleaned.set(true) }));
    outcome == (Ok(()), Err(Cancelled::from_reason(Reason::Shutdown))) && cleaned.get()
}

/// Something that holds or does not.
type Fact = fn() -> bool;

/// Whether everything went as it should, one line for each thing that did.
fn firmware() -> bool {
    let facts: [(&str, Fact); 3] = [
        ("samples in borrowed buffers, joined\n", borrows_and_joins),
        ("the loser of a race was asked\n", races_and_asks_the_loser),
        ("asked to finish, cleaned up, and finished\n", hears_a_request_and_cleans_up),
    ];
    facts.iter().all(|(fact, holds)| {
        let holds = holds();
        if holds {
            print(fact);
        }
        holds
    })
}
