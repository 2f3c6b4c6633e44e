//! What a benchmark is made of: groups of works, and the peers that do them.

use std::time::Duration;

use crate::{clock::Clock, marks::Mark};

/// Works whose results are shown together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) works: Vec<Work>,
}

/// Something that several peers do, each in its own way, with the same result.
pub(crate) struct Work {
    /// For the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What time, allocations and instructions are counted by: "task".
    pub(crate) unit: &'static str,
    /// How many of these it has.
    pub(crate) units: u64,
    /// What this workspace set out to reach.
    pub(crate) marks: Vec<Mark>,
    /// The first is the one that the others are compared with: this workspace.
    pub(crate) peers: Vec<Peer>,
}

impl Work {
    /// All peers do it on the calling thread.
    pub(crate) fn one_thread(&self) -> bool {
        self.peers.iter().all(|peer| peer.one_thread)
    }
}

/// One way to do a work.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// All happens on the calling thread, so that instructions can be counted.
    pub(crate) one_thread: bool,
    /// Prepares what is not part of the work (runtimes, threads). The closure does the work so many times.
    pub(crate) make: fn() -> Doing,
}

/// Does a work so many times, and says how long that took.
pub(crate) type Doing = Box<dyn FnMut(u64) -> Duration>;

impl Peer {
    pub(crate) const fn one_thread(name: &'static str, make: fn() -> Doing) -> Self {
        Self { name, one_thread: true, make }
    }

    pub(crate) const fn threads(name: &'static str, make: fn() -> Doing) -> Self {
        Self { name, one_thread: false, make }
    }
}

/// A work that is done by calling a function so many times.
pub(crate) fn repeat(mut once: impl FnMut() + 'static) -> Doing {
    Box::new(move |times| {
        let begun = Clock::start();
        for _ in 0..times {
            once();
        }
        begun.elapsed()
    })
}

/// A work of which only a part counts: the function says how long that took.
pub(crate) fn repeat_part(mut once: impl FnMut() -> Duration + 'static) -> Doing {
    Box::new(move |times| (0..times).map(|_| once()).sum())
}
