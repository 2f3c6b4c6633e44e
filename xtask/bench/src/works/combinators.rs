//! `join` and `race`: all ready at once, and woken one by one.

use std::{future::ready, hint::black_box};

use async_combinators::{join, race};
use futures::{StreamExt as _, stream::FuturesUnordered};
use futures_concurrency::future::{Join as _, Race as _};

use crate::{
    marks::{Mark, Of},
    peers::signals::Signals,
    work::{Doing, Peer, Work, repeat},
};

pub(crate) fn join_ready() -> Work {
    const N: u64 = 4;
    Work {
        name: "join-ready",
        title: "join of a tuple of 4, all ready at once",
        unit: "join",
        units: 1,
        marks: vec![
            Mark::new(Of::Time("futures::join!"), 1.5, 1.2),
            Mark::new(Of::InstructionsAgainst("futures::join!"), 1.5, 1.2),
        ],
        peers: vec![
            Peer::one_thread("join", || {
                repeat(|| {
                    let [a, b, c, d] = black_box([1, 2, 3, N]).map(ready);
                    black_box(poll_once(async { join((a, b, c, d)).await }));
                })
            }),
            Peer::one_thread("futures::join!", || {
                repeat(|| {
                    let [a, b, c, d] = black_box([1, 2, 3, N]).map(ready);
                    black_box(poll_once(async { futures::join!(a, b, c, d) }));
                })
            }),
            Peer::one_thread("tokio::join!", || {
                repeat(|| {
                    let [a, b, c, d] = black_box([1, 2, 3, N]).map(ready);
                    black_box(poll_once(async { tokio::join!(a, b, c, d) }));
                })
            }),
            Peer::one_thread("futures-concurrency", || {
                repeat(|| {
                    let [a, b, c, d] = black_box([1, 2, 3, N]).map(ready);
                    black_box(poll_once((a, b, c, d).join()));
                })
            }),
        ],
    }
}

/// Of a future that is ready at once.
fn poll_once<F: Future>(future: F) -> F::Output {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it is ready"),
    }
}

pub(crate) fn join_two() -> Work {
    fn with(run: impl Fn(&Signals) -> usize + 'static) -> Doing {
        let signals = Signals::new(2);
        repeat(move || assert_eq!(run(&signals), 1))
    }
    Work {
        name: "join-2",
        title: "join of 2, each woken once",
        unit: "child",
        units: 2,
        marks: vec![
            Mark::new(Of::Time("tokio::join!"), 1.3, 1.15),
            Mark::new(Of::InstructionsAgainst("tokio::join!"), 1.3, 1.15),
        ],
        peers: vec![
            Peer::one_thread("join", || with(|s| s.drive(0..2, async { join((s.wait(0), s.wait(1))).await.1 }))),
            Peer::one_thread("tokio::join!", || {
                with(|s| s.drive(0..2, async { tokio::join!(s.wait(0), s.wait(1)).1 }))
            }),
            Peer::one_thread("futures::join!", || {
                with(|s| s.drive(0..2, async { futures::join!(s.wait(0), s.wait(1)).1 }))
            }),
            Peer::one_thread("futures-concurrency", || {
                with(|s| s.drive(0..2, async { (s.wait(0), s.wait(1)).join().await.1 }))
            }),
        ],
    }
}

pub(crate) fn join_ten() -> Work {
    const N: usize = 10;
    fn with(run: impl Fn(&Signals) -> usize + 'static) -> Doing {
        let signals = Signals::new(N);
        repeat(move || assert_eq!(run(&signals), N - 1))
    }
    Work {
        name: "join-10",
        title: "join of an array of 10, each woken once",
        unit: "child",
        units: N as u64,
        marks: vec![Mark::goal(Of::Time("futures::join!"), 0.55)],
        peers: vec![
            Peer::one_thread("join", || {
                with(|s| s.drive(0..N, async { join(std::array::from_fn::<_, N, _>(|i| s.wait(i))).await[N - 1] }))
            }),
            Peer::one_thread("futures::join!", || {
                with(|s| {
                    s.drive(0..N, async {
                        futures::join!(
                            s.wait(0),
                            s.wait(1),
                            s.wait(2),
                            s.wait(3),
                            s.wait(4),
                            s.wait(5),
                            s.wait(6),
                            s.wait(7),
                            s.wait(8),
                            s.wait(9)
                        )
                        .9
                    })
                })
            }),
            Peer::one_thread("futures-concurrency", || {
                with(|s| s.drive(0..N, async { std::array::from_fn::<_, N, _>(|i| s.wait(i)).join().await[N - 1] }))
            }),
            Peer::one_thread("FuturesUnordered", || with(|s| unordered(s, N))),
        ],
    }
}

/// All of them, the last one's output.
fn unordered(signals: &Signals, count: usize) -> usize {
    let children: FuturesUnordered<_> = (0..count).map(|i| signals.wait(i)).collect();
    signals.drive(0..count, children.fold(0, async |_, output| output))
}

/// `join` over `Vec`s of a size.
macro_rules! join_many {
    ($function:ident, $count:literal, $name:literal, $marks:expr) => {
        pub(crate) fn $function() -> Work {
            const N: usize = $count;
            fn with(run: impl Fn(&Signals) -> usize + 'static) -> Doing {
                let signals = Signals::new(N);
                repeat(move || assert_eq!(run(&signals), N - 1))
            }
            fn children(signals: &Signals) -> Vec<impl Future<Output = usize>> {
                (0..N).map(|i| signals.wait(i)).collect()
            }
            Work {
                name: $name,
                title: concat!("join of a Vec of ", $count, ", each woken once"),
                unit: "child",
                units: N as u64,
                marks: $marks,
                peers: vec![
                    Peer::one_thread("join", || with(|s| s.drive(0..N, async { join(children(s)).await[N - 1] }))),
                    Peer::one_thread("FuturesUnordered", || with(|s| unordered(s, N))),
                    Peer::one_thread("join_all", || {
                        with(|s| s.drive(0..N, async { futures::future::join_all(children(s)).await[N - 1] }))
                    }),
                    Peer::one_thread("futures-concurrency", || {
                        with(|s| s.drive(0..N, async { children(s).join().await[N - 1] }))
                    }),
                ],
            }
        }
    };
}

join_many!(join_hundred, 100, "join-100", vec![Mark::new(Of::Time("FuturesUnordered"), 0.8, 0.6)]);
join_many!(
    join_thousand,
    1000,
    "join-1000",
    vec![
        Mark::new(Of::Time("FuturesUnordered"), 0.8, 0.6),
        Mark::new(Of::InstructionsAgainst("FuturesUnordered"), 0.8, 0.6)
    ]
);

pub(crate) fn race_two() -> Work {
    fn with(run: impl Fn(&Signals) -> usize + 'static) -> Doing {
        let signals = Signals::new(2);
        repeat(move || assert_eq!(run(&signals), 1))
    }
    Work {
        name: "race-2",
        title: "race of 2, the second is woken",
        unit: "race",
        units: 1,
        marks: vec![
            Mark::new(Of::Time("futures_lite::or"), 1.6, 1.2),
            Mark::new(Of::InstructionsAgainst("futures_lite::or"), 1.6, 1.2),
        ],
        peers: vec![
            Peer::one_thread("race", || with(|s| s.drive([1], async { race((s.wait(0), s.wait(1))).await }))),
            Peer::one_thread("futures_lite::or", || {
                with(|s| s.drive([1], futures_lite::future::or(s.wait(0), s.wait(1))))
            }),
            Peer::one_thread("tokio::select!", || {
                with(|s| {
                    s.drive([1], async {
                        tokio::select! { x = s.wait(0) => x, x = s.wait(1) => x }
                    })
                })
            }),
            Peer::one_thread("futures-concurrency", || {
                with(|s| s.drive([1], async { (s.wait(0), s.wait(1)).race().await }))
            }),
        ],
    }
}

pub(crate) fn race_hundred() -> Work {
    const N: usize = 100;
    fn with(run: impl Fn(&Signals) -> usize + 'static) -> Doing {
        let signals = Signals::new(N);
        repeat(move || assert_eq!(run(&signals), N - 1))
    }
    fn children(signals: &Signals) -> Vec<impl Future<Output = usize>> {
        (0..N).map(|i| signals.wait(i)).collect()
    }
    Work {
        name: "race-100",
        title: "race of a Vec of 100, the last is woken",
        unit: "race",
        units: 1,
        marks: vec![
            Mark::new(Of::Time("select_all"), 1.6, 1.3),
            Mark::new(Of::InstructionsAgainst("select_all"), 1.6, 1.3),
        ],
        peers: vec![
            Peer::one_thread("race", || with(|s| s.drive([N - 1], async { race(children(s)).await }))),
            Peer::one_thread("select_all", || {
                with(|s| {
                    // Pinned in one allocation each, as it demands.
                    let children = children(s).into_iter().map(Box::pin);
                    s.drive([N - 1], async { futures::future::select_all(children).await.0 })
                })
            }),
            Peer::one_thread("futures-concurrency", || with(|s| s.drive([N - 1], async { children(s).race().await }))),
        ],
    }
}
