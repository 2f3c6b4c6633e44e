//! Random trees of operations, woken, asked and panicking at random: no started leaf is left unfinished, no wake is lost, and
//! every tree ends.
#![cfg(feature = "std")]

mod common;
#[path = "common/quiet.rs"]
mod quiet;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
};

use async_combinators::{join, race, race_ok, select, try_join, wait_until};
use async_trait_core::{Async, CancelFlag, Context, LocalBoxAsync, Reason, async_block};
use common::{Task, poll_under};

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Default)]
struct World {
    waiting: RefCell<Vec<Rc<State>>>,
    breaches: Cell<usize>,
    live: Cell<isize>,
    /// One leaf of a tree at most has a destructor that panics: two in one destructor of a tree abort, as everywhere.
    drop_panics: Cell<bool>,
}

#[derive(Default)]
struct State {
    go: Cell<bool>,
    gone: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

struct Leaf {
    world: Rc<World>,
    state: Rc<State>,
    /// How often it must be woken.
    steps: u64,
    /// How many polls it takes to answer a request.
    slow: u64,
    fails: bool,
    panics: bool,
    drop_panics: bool,
    cancel_safe: bool,
    started: bool,
}

// SAFETY: nothing is lent to anybody.
unsafe impl Async for Leaf {
    type Output = Result<(), ()>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.state.go.take() {
            this.steps -= 1;
        }
        let asked = cx.is_cancelled() && !this.cancel_safe;
        if this.steps == 0 || (asked && this.slow == 0) {
            this.started = false;
            assert!(!this.panics, "poll");
            return Poll::Ready(if this.fails { Err(()) } else { Ok(()) });
        }
        if !this.started {
            this.world.waiting.borrow_mut().push(this.state.clone());
        }
        this.started = true;
        this.state.waker.set(Some(cx.waker().clone()));
        if asked {
            this.slow -= 1;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn is_cancel_safe(&self) -> bool {
        self.cancel_safe
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.state.gone.set(true);
        self.world.live.set(self.world.live.get() - 1);
        if self.started && !self.cancel_safe {
            self.world.breaches.set(self.world.breaches.get() + 1);
        }
        assert!(!self.drop_panics, "drop");
    }
}

type Tree = LocalBoxAsync<'static, Result<(), ()>>;

fn tree(random: &mut Random, depth: u32, world: &Rc<World>) -> Tree {
    if depth == 0 || random.one_in(4) {
        world.live.set(world.live.get() + 1);
        return LocalBoxAsync::new(Leaf {
            world: world.clone(),
            state: Rc::default(),
            steps: random.below(4),
            slow: random.below(3),
            fails: random.one_in(4),
            panics: random.one_in(30),
            drop_panics: random.one_in(20) && !world.drop_panics.replace(true),
            cancel_safe: random.one_in(3),
            started: false,
        });
    }
    let many = if random.one_in(6) { 60 + random.below(12) } else { 2 + random.below(7) };
    let depth = if many > 9 { 1 } else { depth };
    let kind = random.below(9);
    let n = if kind < 5 { many } else { 2 };
    let mut children: Vec<Tree> = (0..n).map(|_| tree(random, depth - 1, world)).collect();
    let mut pair = || (children.pop().expect("two"), children.pop().expect("two"));
    match kind {
        0 => LocalBoxAsync::new(async_block! {
            join(children).await.into_iter().collect()
        }),
        1 => LocalBoxAsync::new(async_block! {
            try_join(children).await.map(drop)
        }),
        2 => LocalBoxAsync::new(race(children)),
        3 => LocalBoxAsync::new(async_block! {
            race_ok(children).await.map_err(drop)
        }),
        4 => LocalBoxAsync::new(async_block! {
            let selected = select(children).await;
            assert!(selected.late[selected.first.0].is_none());
            selected.first.1
        }),
        5 => {
            let both = join(pair());
            LocalBoxAsync::new(async_block! {
                let (a, b) = both.await;
                a.and(b)
            })
        }
        6 => LocalBoxAsync::new(race(<[Tree; 2]>::from(pair()))),
        7 => {
            let (signal, a) = pair();
            LocalBoxAsync::new(wait_until(signal, a))
        }
        _ => {
            let either = select(pair());
            LocalBoxAsync::new(async_block! { either.await.late.0.unwrap_or(Ok(())) })
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let world = Rc::new(World::default());
    let mut tree = Box::pin(tree(&mut random, 3, &world));
    let (task, waker) = Task::new();
    let flag = CancelFlag::new();
    let mut seen = 0;
    loop {
        match catch_unwind(AssertUnwindSafe(|| poll_under(&mut tree, &waker, &flag))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(_)) | Err(_) => break,
        }
        if task.wakes() > seen {
            seen = task.wakes();
            continue;
        }
        if random.one_in(12) && flag.request(Reason::Requested) {
            continue;
        }
        let waiting: Vec<_> = world.waiting.borrow().iter().filter(|s| !s.gone.get() && !s.go.get()).cloned().collect();
        assert!(!waiting.is_empty(), "seed {seed}: it waits for nobody");
        let state = &waiting[random.below(waiting.len() as u64) as usize];
        let Some(leaf) = state.waker.take() else { panic!("seed {seed}: no waker") };
        state.go.set(true);
        leaf.wake();
        assert!(task.wakes() > seen, "seed {seed}: a wake was lost");
        seen = task.wakes();
    }
    assert_eq!(world.breaches.get(), 0, "seed {seed}");
    // Boxes of completed blocks hold nothing any more; a panicking destructor here is the tree's owner's.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(tree)));
    assert_eq!(world.live.get(), 0, "seed {seed}: a leaf leaked");
    assert_eq!(world.breaches.get(), 0, "seed {seed}");
}

#[test]
fn random_trees_leave_nothing_unfinished() {
    quiet::in_child_process("random_trees_leave_nothing_unfinished", &["poll", "drop"], || (0..3000).for_each(run));
}
