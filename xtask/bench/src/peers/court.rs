//! Ping-pong: two players, one ball, no channel of anybody's: each waits until the turn is his and then wakes the other.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::Poll,
};

use futures::task::AtomicWaker;

#[derive(Default)]
pub(crate) struct Court {
    turn: AtomicUsize,
    players: [AtomicWaker; 2],
}

impl Court {
    /// Plays the ball so many times. The other player has to play it as often.
    pub(crate) async fn play(&self, me: usize, times: u64) {
        for _ in 0..times {
            poll_fn(|cx| {
                if self.turn.load(SeqCst) == me {
                    return Poll::Ready(());
                }
                self.players[me].register(cx.waker());
                if self.turn.load(SeqCst) == me { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            self.turn.store(1 - me, SeqCst);
            self.players[1 - me].wake();
        }
    }
}
