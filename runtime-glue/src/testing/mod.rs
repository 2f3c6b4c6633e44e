//! Tests of async code: one thread, a schedule that is drawn from a seed, and time that passes only when nothing else is left
//! to do. A test that fails for one seed fails for it again.
//!
//! ```
//! use runtime_glue::{sleep, testing};
//! use std::time::Duration;
//!
//! testing::for_seeds(0..10, |rt| {
//!     let start = rt.now();
//!     rt.block_on(async {
//!         let child = runtime_glue::spawn(sleep(Duration::from_secs(3600)));
//!         sleep(Duration::from_secs(60)).await;
//!         child.await.unwrap();
//!     });
//!     assert_eq!(rt.now() - start, Duration::from_secs(3600));
//! });
//! ```

mod choice;
mod deterministic;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use self::choice::Choices;
pub use self::deterministic::Deterministic;

/// Runs `f` once for each seed.
///
/// # Panics
/// With the first panic of `f`, after the seed and the schedule were written to standard error. To replay it alone, run
/// `for_seeds(SEED..SEED + 1, ..)`.
pub fn for_seeds(seeds: Range<u64>, mut f: impl FnMut(&Deterministic)) {
    for seed in seeds {
        let runtime = Deterministic::seed(seed);
        run(&runtime, &format!("seed {seed}; replay it with the range {seed}..{}", seed + 1), &mut f);
    }
}

/// Runs `f` with every schedule of its program, or with the first `most` of them; returns how many there were. For small
/// programs: the number grows as the factorial of what is ready at once.
///
/// ```
/// let mut outcomes = std::collections::BTreeSet::new();
/// let schedules = runtime_glue::testing::for_all_schedules(1000, |rt| {
///     let (send, receive) = std::sync::mpsc::channel();
///     rt.block_on(async {
///         for task in ["a", "b", "c"] {
///             let send = send.clone();
///             drop(runtime_glue::spawn(async move { send.send(task).unwrap() }));
///         }
///         drop(send);
///         while receive.try_iter().count() < 3 {
///             async_trait_core::yield_now().await;
///             break;
///         }
///     });
///     outcomes.insert(receive.try_iter().collect::<String>());
/// });
/// assert!(schedules > 1);
/// ```
///
/// # Panics
/// As [`for_seeds`].
pub fn for_all_schedules(most: usize, mut f: impl FnMut(&Deterministic)) -> usize {
    let mut choices = Choices::all();
    for count in 1..=most {
        let runtime = Deterministic::with_choices(choices);
        run(&runtime, &format!("schedule {count} of an exhaustive search"), &mut f);
        match runtime.take_choices().next() {
            Some(next) => choices = next,
            None => return count,
        }
    }
    most
}

fn run(runtime: &Deterministic, what: &str, f: &mut impl FnMut(&Deterministic)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| f(runtime))) {
        eprintln!("runtime-glue: failed with {what}\n{}", runtime.trace());
        resume_unwind(panic);
    }
}
