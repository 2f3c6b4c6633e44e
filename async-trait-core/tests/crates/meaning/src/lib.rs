//! Random async functions, written once as `async fn` and once as `#[async_fn]`, which must do the same in the same order.
//!
//! `build.rs` writes them, from the seed in the variable `MEANING_SEED` if it is set. To look for more:
//! `for s in $(seq 100); do MEANING_SEED=$s cargo test -p async-trait-core --test meaning || break; done`

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use async_trait_core::{Async, block_on_with};

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<i64>>>);

impl Log {
    fn note(&self, event: i64) {
        self.0.borrow_mut().push(event);
    }
}

/// Notes when it is dropped.
pub struct Noisy(i64, Log);

impl Noisy {
    fn get(&self, n: i64) -> i64 {
        self.1.note(n.wrapping_add(400));
        self.0.wrapping_add(n)
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.note(self.0.wrapping_add(5000));
    }
}

/// The operations of the generated functions, as methods so that their names are short.
macro_rules! operations {
    ($(#[$attr:meta])*) => {
        use crate::{Log, Noisy};
        use async_trait_core::yield_now;

        pub struct Ops(pub Log);

        impl Ops {
            pub fn note(&self, n: i64) -> i64 {
                self.0.note(n);
                n
            }
            pub fn noisy(&self, n: i64) -> Noisy {
                self.note(n.wrapping_add(1000));
                Noisy(n, self.0.clone())
            }
            $(#[$attr])*
            pub async fn later(&self, n: i64) -> i64 {
                if n % 2 == 0 {
                    yield_now().await;
                }
                self.note(n.wrapping_add(100));
                n
            }
            $(#[$attr])*
            pub async fn is_even(&self, n: i64) -> bool {
                yield_now().await;
                self.note(n.wrapping_add(200)) % 2 == 0
            }
            $(#[$attr])*
            pub async fn maybe(&self, n: i64) -> Option<i64> {
                self.note(n.wrapping_add(300));
                yield_now().await;
                (n & 2 == 0).then_some(n)
            }
            $(#[$attr])*
            pub async fn later_noisy(&self, n: i64) -> Noisy {
                yield_now().await;
                self.noisy(n)
            }
        }
    };
}

/// A run: the output, or `None` for a panic, and what happened.
type Run = (Option<i64>, Vec<i64>);

fn record<A: Async<Output = i64>>(make: impl FnOnce(Log) -> A) -> Run {
    let log = Log::default();
    let run = || block_on_with(make(log.clone()), || unreachable!("everything here wakes itself"));
    let output = catch_unwind(AssertUnwindSafe(run)).ok();
    (output, log.0.take())
}

mod generated {
    #![allow(warnings, clippy::all, reason = "written by a program")]
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

/// Compares all of them; returns how many events there were.
///
/// # Panics
/// If two differ.
pub fn check() -> usize {
    let mut events = 0;
    for (name, theirs, ours) in generated::FUNCTIONS {
        for n in 0..8 {
            let (theirs, ours) = (theirs(n), ours(n));
            assert_eq!(theirs, ours, "{name}({n}) of seed {}", generated::SEED);
            events += theirs.1.len();
        }
    }
    events
}
