//! *Barbara gets burned by select.* A loop reads packets and also listens for something else.
//!
//! Today each round drops the branch that lost, with the half packet that it had read:
//!
//! ```text
//! loop {
//!     select! {
//!         packet = read_packet(&mut socket) => rows.push(packet?),   // two awaits inside: length, then payload
//!         () = tick.next() => flush(&mut rows),
//!     }
//! }
//! ```
//!
//! Here the reader is a task of a scope whose items are merged with the other source: what is half-read stays in the task.

use std::collections::VecDeque;

use async_combinators::merge;
use async_scope::{async_fn, scope};
use async_trait_core::{items, yield_now};
use futures::channel::mpsc;
use runtime_glue::block_on;

/// A socket that hands out a byte at a time, and is pending before every third.
struct Socket {
    bytes: VecDeque<u8>,
    reads: usize,
}

impl Socket {
    async fn read(&mut self) -> Option<u8> {
        self.reads += 1;
        if self.reads.is_multiple_of(3) {
            yield_now().await;
        }
        self.bytes.pop_front()
    }
}

/// Length, then payload: not to be interrupted in between.
#[async_fn(send)]
async fn read_packet(socket: &mut Socket) -> Option<Vec<u8>> {
    let length = socket.read().await?;
    let mut payload = Vec::new();
    for _ in 0..length {
        payload.push(socket.read().await.expect("the sender is complete"));
    }
    Some(payload)
}

enum Event {
    Packet(Vec<u8>),
    Tick,
}

#[test]
fn every_row_that_was_sent_is_read() {
    const PACKETS: u32 = 100_000;
    let sent: Vec<Vec<u8>> = (0..PACKETS).map(|n| n.to_le_bytes()[..1 + (n % 4) as usize].to_vec()).collect();
    let mut bytes = VecDeque::new();
    for packet in &sent {
        bytes.push_back(packet.len() as u8);
        bytes.extend(packet);
    }
    let (ticker, ticks) = mpsc::unbounded();
    let (read, ticked) = block_on(scope!(|s| {
        let mut socket = Socket { bytes, reads: 0 };
        let packets = s.produce(8, |tx| {
            async_scope::async_block! { move
                while let Some(packet) = read_packet(&mut socket).await {
                    if tx.send(packet).await.is_err() { break }
                }
            }
        });
        // As many ticks as there are packets, at any time.
        s.spawn(async move {
            for n in 0..PACKETS {
                ticker.unbounded_send(()).expect("received below");
                if n.is_multiple_of(7) {
                    yield_now().await;
                }
            }
        });
        let mut events = merge((packets.map(Event::Packet), items(ticks).map(|()| Event::Tick)));
        let (mut read, mut ticked) = (Vec::new(), 0);
        while let Some(event) = events.next().await {
            match event {
                Event::Packet(packet) => read.push(packet),
                Event::Tick => ticked += 1,
            }
        }
        (read, ticked)
    }));
    assert_eq!(ticked, PACKETS);
    assert_eq!(read.len(), sent.len());
    assert!(read == sent, "rows were lost or changed");
}
