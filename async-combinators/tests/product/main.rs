//! Every outcome of three children x every operation x every shape, by enumeration, against a model.
//!
//! The model restates the documented semantics in plain code: what is returned, which panic goes on, and in which order
//! children and outputs are dropped. Beside that every child checks its own treatment: started means completed unless it
//! was cancel-safe at the drop, and nothing fresh is started in order to be asked.
#![cfg(feature = "std")]

mod children;
mod model;
#[path = "../common/quiet.rs"]
mod quiet;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
};

use async_combinators::{OneOf3, Selected, join, race, race_ok, select, try_join};
use async_trait_core::{Async, CancelFlag, Context, Reason};
use children::{ALL, Child, Child::*, Event, Output, Probe, State, World};
use model::{Op, Outcome, model};
use quiet::in_child_process;

/// How the texts of the children's panics begin.
const PANICS: &[&str] = &["poll ", "drop ", "output "];

/// Counts wakes of the task.
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

type R = Result<Output, Output>;

fn name(r: &R) -> (usize, bool) {
    match r {
        Ok(o) => (o.0, true),
        Err(o) => (o.0, false),
    }
}

/// Drives an operation as the model does; `read` puts its output into the common form and gives the outputs back to be
/// dropped by the test.
fn run<A: Async>(world: &Rc<World>, op: A, read: impl Fn(&A::Output) -> Outcome) -> Outcome {
    let task = Arc::new(Task(AtomicUsize::new(0)));
    let waker = Waker::from(task.clone());
    let outer = CancelFlag::new();
    let mut op = Box::pin(op);
    let mut seen = 0;
    loop {
        let mut cx = Context::from_waker(&waker);
        let mut cx = cx.with_cancel(&outer);
        // SAFETY: *completed*: the box is dropped after `Ready` or unwinding, or it is forgotten with its memory. *retired*: this returns.
        match catch_unwind(AssertUnwindSafe(|| unsafe { op.as_mut().poll_async(&mut cx) })) {
            Err(payload) => {
                world.output_panics.set(false);
                return Outcome::Panic(payload.downcast_ref::<String>().expect("a text").clone());
            }
            Ok(Poll::Ready(output)) => {
                world.output_panics.set(false);
                return read(&output);
            }
            Ok(Poll::Pending) => {}
        }
        let wakes = task.0.load(SeqCst);
        if wakes > seen {
            seen = wakes;
            continue;
        }
        let live = |i: &usize| !world.drops.borrow().contains(&Event::Child(*i));
        let next = (0..world.kinds.len())
            .filter(live)
            .find(|&i| world.kinds[i].waits_for_test() && !world.states.borrow()[i].go);
        if let Some(index) = next {
            world.states.borrow_mut()[index].go = true;
            let waker = world.wakers.borrow_mut()[index].take();
            waker.expect("a pending child has left its waker").wake();
            let wakes = task.0.load(SeqCst);
            assert!(wakes > seen, "the wake of child {index} was lost");
            seen = wakes;
        } else if !outer.is_cancelled() {
            outer.request(Reason::Requested);
        } else {
            // What is left waits for ever: forget it, memory and all.
            world.output_panics.set(false);
            std::mem::forget(op);
            return Outcome::Stuck;
        }
    }
}

fn probes(world: &Rc<World>) -> Vec<Probe> {
    (0..world.kinds.len()).map(|i| Probe(i, world.clone())).collect()
}

fn all(ok: bool, outputs: &[&R]) -> Outcome {
    Outcome::Output { ok, first: None, handed_back: outputs.iter().map(|r| name(r)).collect() }
}

fn plain(ok: bool, outputs: impl IntoIterator<Item = usize>) -> Outcome {
    Outcome::Output { ok, first: None, handed_back: outputs.into_iter().map(|i| (i, ok)).collect() }
}

fn selected(first: (usize, &R), late: &[&Option<R>]) -> Outcome {
    let mut handed_back: Vec<_> = late.iter().filter_map(|r| r.as_ref().map(name)).collect();
    assert!(late[first.0].is_none());
    handed_back.push(name(first.1));
    handed_back.sort();
    Outcome::Output { ok: true, first: Some(first.0), handed_back }
}

fn tuple3(world: &Rc<World>, op: Op) -> Outcome {
    let [a, b, c]: [Probe; 3] = probes(world).try_into().ok().expect("three");
    match op {
        Op::Join => run(world, join((a, b, c)), |(a, b, c)| all(true, &[a, b, c])),
        Op::TryJoin => run(world, try_join((a, b, c)), |r| match r {
            Ok((a, b, c)) => plain(true, [a.0, b.0, c.0]),
            Err(e) => plain(false, [e.0]),
        }),
        Op::Race => run(world, race((a, b, c)), |r| all(r.is_ok(), &[r])),
        Op::RaceOk => run(world, race_ok((a, b, c)), |r| match r {
            Ok(o) => plain(true, [o.0]),
            Err(e) => plain(false, e.iter().map(|o| o.0)),
        }),
        Op::Select => run(world, select((a, b, c)), |Selected { first, late: (a, b, c) }| match first {
            OneOf3::A(r) => selected((0, r), &[a, b, c]),
            OneOf3::B(r) => selected((1, r), &[a, b, c]),
            OneOf3::C(r) => selected((2, r), &[a, b, c]),
        }),
    }
}

fn array<const N: usize>(world: &Rc<World>, op: Op) -> Outcome {
    let children: [Probe; N] = probes(world).try_into().ok().expect("N");
    match op {
        Op::Join => run(world, join(children), |all_of| all(true, &all_of.each_ref())),
        Op::TryJoin => run(world, try_join(children), |r| match r {
            Ok(all_of) => plain(true, all_of.each_ref().map(|o| o.0)),
            Err(e) => plain(false, [e.0]),
        }),
        Op::Race => run(world, race(children), |r| all(r.is_ok(), &[r])),
        Op::RaceOk => run(world, race_ok(children), |r| match r {
            Ok(o) => plain(true, [o.0]),
            Err(e) => plain(false, e.iter().map(|o| o.0)),
        }),
        Op::Select => run(world, select(children), |s| selected((s.first.0, &s.first.1), &s.late.each_ref())),
    }
}

fn vec(world: &Rc<World>, op: Op) -> Outcome {
    let children = probes(world);
    match op {
        Op::Join => run(world, join(children), |all_of| all(true, &all_of.iter().collect::<Vec<_>>())),
        Op::TryJoin => run(world, try_join(children), |r| match r {
            Ok(all_of) => plain(true, all_of.iter().map(|o| o.0)),
            Err(e) => plain(false, [e.0]),
        }),
        Op::Race => run(world, race(children), |r| all(r.is_ok(), &[r])),
        Op::RaceOk => run(world, race_ok(children), |r| match r {
            Ok(o) => plain(true, [o.0]),
            Err(e) => plain(false, e.iter().map(|o| o.0)),
        }),
        Op::Select => {
            run(world, select(children), |s| selected((s.first.0, &s.first.1), &s.late.iter().collect::<Vec<_>>()))
        }
    }
}

fn check(kinds: &[Child], op: Op, shape: &str, make: impl Fn(&Rc<World>, Op) -> Outcome) {
    let n = kinds.len();
    let world = Rc::new(World {
        kinds: kinds.to_vec(),
        states: RefCell::new(vec![State::default(); n]),
        wakers: RefCell::new(vec![None; n]),
        output_panics: Cell::new(true),
        ..World::default()
    });
    let outcome = make(&world, op);
    let drops = world.drops.borrow().clone();
    let case = format!("{op:?} of {shape} {kinds:?}");
    assert_eq!(world.breaches.borrow().as_slice(), [] as [&str; 0], "{case}");
    let (expected, expected_drops) = model(kinds, op);
    assert_eq!(outcome, expected, "{case}");
    assert_eq!(drops, expected_drops, "{case}");
    if outcome != Outcome::Stuck {
        // The wakers that children left must keep nothing alive but themselves.
        assert_eq!(Rc::strong_count(&world), 1, "a child or output leaked: {case}");
        for waker in world.wakers.borrow_mut().drain(..).flatten() {
            waker.wake();
        }
    }
}

/// Runs the enumeration of one operation.
fn enumerate(op: Op) {
    for a in ALL {
        for b in ALL {
            for c in ALL {
                check(&[a, b, c], op, "tuple", tuple3);
                check(&[a, b, c], op, "array", array::<3>);
                check(&[a, b, c], op, "vec", vec);
                // More than are polled all together.
                check(&[a, OkLater, b, WhenAsked, c, OkLater], op, "array", array::<6>);
                check(&[OkLater, a, b, c, WakesItself, WhenAsked], op, "vec", vec);
            }
        }
    }
}

#[test]
fn join_of_everything() {
    in_child_process("join_of_everything", PANICS, || enumerate(Op::Join));
}

#[test]
fn try_join_of_everything() {
    in_child_process("try_join_of_everything", PANICS, || enumerate(Op::TryJoin));
}

#[test]
fn race_of_everything() {
    in_child_process("race_of_everything", PANICS, || enumerate(Op::Race));
}

#[test]
fn race_ok_of_everything() {
    in_child_process("race_ok_of_everything", PANICS, || enumerate(Op::RaceOk));
}

#[test]
fn select_of_everything() {
    in_child_process("select_of_everything", PANICS, || enumerate(Op::Select));
}
