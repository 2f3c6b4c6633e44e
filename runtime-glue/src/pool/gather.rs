//! Gathering: a thread that wakes many tasks at once, as the timer's does, injects them in one piece.
//!
//! One operation on the shared queue for all of them, and one thread woken, which has enough to do when it comes.

use std::{cell::RefCell, sync::Arc};

use super::shared::Shared;
use crate::Work;

thread_local! {
    /// What is being gathered; `None` outside of `in_one_piece`.
    static GATHERED: RefCell<Option<Gathered>> = const { RefCell::new(None) };
}

/// Works for one pool, in the order in which they came.
#[derive(Default)]
struct Gathered {
    pool: Option<Arc<Shared>>,
    works: Vec<Work>,
}

impl Gathered {
    fn inject(self) {
        if let Some(pool) = self.pool {
            let mut works = self.works;
            works.reverse();
            pool.inject_many(works);
        }
    }
}

/// Calls `f`. What it schedules on a pool from outside is injected when `f` returns, or unwinds.
pub(crate) fn in_one_piece(f: impl FnOnce()) {
    struct Inject;

    impl Drop for Inject {
        fn drop(&mut self) {
            // No borrow is held while it is injected.
            if let Some(gathered) = GATHERED.take() {
                gathered.inject();
            }
        }
    }

    GATHERED.set(Some(Gathered::default()));
    let _inject = Inject;
    f();
}

/// Keeps a work for `pool` until the end of `in_one_piece`. Gives it back outside of that.
pub(super) fn keep(pool: &Arc<Shared>, work: Work) -> Option<Work> {
    let mut work = Some(work);
    // Not while the thread's locals are destroyed.
    let other = GATHERED.try_with(|gathered| {
        let mut gathered = gathered.borrow_mut();
        let gathered = gathered.as_mut()?;
        let of_this = gathered.pool.as_ref().is_some_and(|of| Arc::ptr_eq(of, pool));
        // Those of another pool are complete with this one.
        let other = (!of_this).then(|| std::mem::take(gathered));
        if !of_this {
            gathered.pool = Some(Arc::clone(pool));
        }
        gathered.works.extend(work.take());
        other
    });
    if let Ok(Some(other)) = other {
        other.inject();
    }
    work
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Pool;
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::mpsc,
    };

    #[test]
    fn what_is_gathered_for_several_pools_reaches_each_also_after_a_panic() {
        let pools = [Pool::new(1), Pool::new(1)];
        let (sender, receiver) = mpsc::channel();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            in_one_piece(|| {
                for n in 0..100 {
                    let sender = sender.clone();
                    drop(pools[n % 3 % 2].spawn(async move { sender.send(n).unwrap() }));
                }
                panic!("half-way");
            });
        }));
        assert!(unwound.is_err());
        drop(sender);
        assert_eq!(receiver.into_iter().count(), 100);
    }
}
