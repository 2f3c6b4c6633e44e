//! Tokens: asking whether one is cancelled, making a child, cancelling trees in which everybody waits.

use std::{
    hint::black_box,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering::Acquire},
    task::{Context, Waker},
    time::Duration,
};

use async_cancel::CancellationToken as Ours;
use tokio_util::sync::CancellationToken as Tokio;

use crate::{
    clock::Clock,
    marks::{Mark, Of},
    work::{Doing, Peer, Work, repeat, repeat_part},
};

const TIMES: u64 = 1000;
const TOKENS: usize = 1000;

fn ask(question: impl Fn() -> bool) {
    for _ in 0..TIMES {
        assert!(!question());
    }
}

pub(crate) fn is_cancelled() -> Work {
    Work {
        name: "is-cancelled",
        title: "Is it cancelled?",
        unit: "question",
        units: TIMES,
        marks: vec![
            Mark::new(Of::Time("an AtomicBool"), 1.5, 1.0),
            Mark::new(Of::InstructionsAgainst("an AtomicBool"), 1.5, 1.0),
        ],
        peers: vec![
            Peer::one_thread("async-cancel", || {
                let token = Ours::new().child_token();
                repeat(move || ask(|| black_box(&token).is_cancelled()))
            }),
            Peer::one_thread("an AtomicBool", || {
                let flag = AtomicBool::new(false);
                repeat(move || ask(|| black_box(&flag).load(Acquire)))
            }),
            Peer::one_thread("tokio-util", || {
                let token = Tokio::new().child_token();
                repeat(move || ask(|| black_box(&token).is_cancelled()))
            }),
        ],
    }
}

pub(crate) fn child() -> Work {
    Work {
        name: "child-token",
        title: "A child token made and dropped",
        unit: "child",
        units: TIMES,
        marks: vec![Mark::land(Of::Time("tokio-util"), 0.5), Mark::land(Of::InstructionsAgainst("tokio-util"), 0.5)],
        peers: vec![
            Peer::one_thread("async-cancel", || {
                let token = Ours::new();
                repeat(move || (0..TIMES).for_each(|_| drop(black_box(token.child_token()))))
            }),
            Peer::one_thread("tokio-util", || {
                let token = Tokio::new();
                repeat(move || (0..TIMES).for_each(|_| drop(black_box(token.child_token()))))
            }),
        ],
    }
}

/// Makes a tree, waits at each token, cancels the root; only that is timed.
macro_rules! cancel {
    ($Token:ty, $make:expr) => {{
        fn once() -> Duration {
            let root = <$Token>::new();
            let make: fn(&$Token) -> Vec<$Token> = $make;
            let tokens = make(&root);
            let mut cx = Context::from_waker(Waker::noop());
            let mut waiting: Vec<_> = tokens.iter().map(|token| Box::pin(token.cancelled())).collect();
            for waits in &mut waiting {
                assert!(pin!(waits).poll(&mut cx).is_pending());
            }
            let begun = Clock::start();
            root.cancel();
            let taken = begun.elapsed();
            assert!(tokens.iter().all(|token| token.is_cancelled()));
            taken
        }
        fn make() -> Doing {
            repeat_part(once)
        }
        make as fn() -> Doing
    }};
}

pub(crate) fn flat_tree() -> Work {
    Work {
        name: "cancel-flat",
        title: "Cancel 1000 children of one token, with a waiter each",
        unit: "token",
        units: TOKENS as u64,
        marks: vec![Mark::land(Of::Time("tokio-util"), 0.5)],
        peers: vec![
            // Instructions would count making the tree, too.
            Peer::threads("async-cancel", cancel!(Ours, |root| (0..TOKENS).map(|_| root.child_token()).collect())),
            Peer::threads("tokio-util", cancel!(Tokio, |root| (0..TOKENS).map(|_| root.child_token()).collect())),
        ],
    }
}

pub(crate) fn chain() -> Work {
    Work {
        name: "cancel-chain",
        title: "Cancel a chain of 1000 tokens, with a waiter each",
        unit: "token",
        units: TOKENS as u64,
        marks: vec![Mark::land(Of::Time("tokio-util"), 0.5)],
        peers: vec![
            Peer::threads(
                "async-cancel",
                cancel!(Ours, |root| {
                    std::iter::successors(Some(root.child_token()), |last| Some(last.child_token()))
                        .take(TOKENS)
                        .collect()
                }),
            ),
            Peer::threads(
                "tokio-util",
                cancel!(Tokio, |root| {
                    std::iter::successors(Some(root.child_token()), |last| Some(last.child_token()))
                        .take(TOKENS)
                        .collect()
                }),
            ),
        ],
    }
}
