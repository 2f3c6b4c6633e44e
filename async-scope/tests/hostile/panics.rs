//! Panics in every place where foreign code runs: everything else in the scope ends before the panic leaves it.

use std::{
    pin::Pin,
    task::{self, Poll},
};

use async_scope::{Async, JoinError, Scope, async_block, scope};
use async_trait_core::{pending, yield_now};

use crate::{
    kit::{Lent, OnDrop, asked, on_drop, outcome, pending_once, raise, raise_bomb},
    worlds::{WORLDS, World},
};

/// Where a panic comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Body,
    BodyLater,
    /// The destructor of a local of the body.
    BodyLocal,
    Task,
    TaskLater,
    Background,
    Blocking,
    /// The destructor of a task's future.
    Future,
    /// The destructor of an output that nobody wants.
    Output,
    /// A task of a scope inside a task.
    Nested,
    Hook,
    HookLater,
    /// The destructor of a hook.
    HookDrop,
    /// A task that a hook has spawned.
    HookTask,
    /// A hook that has spawned a task which ends only when asked.
    HookHost,
    Release,
    ReleaseLater,
    /// The destructor of an owned value.
    Owned,
}

impl Source {
    const ALL: [Self; 18] = [
        Self::Body,
        Self::BodyLater,
        Self::BodyLocal,
        Self::Task,
        Self::TaskLater,
        Self::Background,
        Self::Blocking,
        Self::Future,
        Self::Output,
        Self::Nested,
        Self::Hook,
        Self::HookLater,
        Self::HookDrop,
        Self::HookTask,
        Self::HookHost,
        Self::Release,
        Self::ReleaseLater,
        Self::Owned,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::BodyLater => "body later",
            Self::BodyLocal => "local of the body",
            Self::Task => "task",
            Self::TaskLater => "task later",
            Self::Background => "background task",
            Self::Blocking => "blocking job",
            Self::Future => "future's destructor",
            Self::Output => "output's destructor",
            Self::Nested => "nested task",
            Self::Hook => "hook",
            Self::HookLater => "hook later",
            Self::HookDrop => "hook's destructor",
            Self::HookTask => "hook's task",
            Self::HookHost => "hook with a task",
            Self::Release => "release",
            Self::ReleaseLater => "release later",
            Self::Owned => "owned value's destructor",
        }
    }

    /// Whether it comes before the body and the tasks are done, and so cancels them.
    fn is_early(self) -> bool {
        !matches!(
            self,
            Self::Hook
                | Self::HookLater
                | Self::HookDrop
                | Self::HookTask
                | Self::HookHost
                | Self::Release
                | Self::ReleaseLater
                | Self::Owned
        )
    }

    fn raise(self, bomb: bool) -> ! {
        if bomb { raise_bomb(self.text()) } else { raise(self.text()) }
    }

    /// What is to be done before the body goes on.
    fn plant<'s>(self, s: &'s Scope<'s>, lent: &'s Lent, bomb: bool) {
        let raise = move || -> () { self.raise(bomb) };
        match self {
            Self::Body | Self::BodyLater | Self::BodyLocal => {}
            Self::Task => {
                s.spawn(async_block! { move
                    let _held = lent.hold();
                    raise();
                });
            }
            Self::TaskLater => {
                s.spawn(async_block! { move
                    let _held = lent.hold();
                    yield_now().await;
                    raise();
                });
            }
            Self::Background => {
                s.spawn_background(async_block! { move
                    let _held = lent.hold();
                    raise();
                });
            }
            Self::Blocking => {
                s.spawn_blocking(move || {
                    let _held = lent.hold();
                    raise();
                });
            }
            Self::Future => {
                let held = lent.hold();
                s.spawn(Explosive(on_drop(move || {
                    lent.look();
                    drop(held);
                    raise();
                })));
            }
            Self::Output => {
                s.spawn(async_block! { move
                    let held = lent.hold();
                    on_drop(move || {
                        lent.look();
                        drop(held);
                        raise();
                    })
                });
            }
            Self::Nested => {
                s.spawn(scope!(move |inner| {
                    let held = lent.hold();
                    inner.spawn(async_block! { move
                        yield_now().await;
                        lent.look();
                        raise();
                    });
                    asked().await;
                    drop(held);
                }));
            }
            Self::Hook => s.on_exit(async_block! { move
                let _held = lent.hold();
                raise();
            }),
            Self::HookLater => s.on_exit(async_block! { move
                let _held = lent.hold();
                yield_now().await;
                raise();
            }),
            Self::HookDrop => {
                let held = lent.hold();
                s.on_exit(Explosive(on_drop(move || {
                    lent.look();
                    drop(held);
                    raise();
                })));
            }
            Self::HookTask => s.on_exit(async_block! { move
                s.spawn(async_block! { move
                    lent.look();
                    raise();
                });
                s.spawn(until_asked(lent));
            }),
            Self::HookHost => s.on_exit(async_block! { move
                s.spawn(until_asked(lent));
                yield_now().await;
                raise();
            }),
            Self::Release => {
                let () = s.own((), move |()| {
                    raise();
                    async {}
                });
            }
            Self::ReleaseLater => {
                let () = s.own((), move |()| async move {
                    yield_now().await;
                    raise();
                });
            }
            Self::Owned => {
                struct Value(Source, bool);
                impl Drop for Value {
                    fn drop(&mut self) {
                        self.0.raise(self.1);
                    }
                }
                s.own(Value(self, bomb), |value| async move { drop(value) });
            }
        }
    }
}

/// A plain future that is ready at once and does something when it is dropped.
struct Explosive<F: FnOnce()>(OnDrop<F>);

impl<F: FnOnce()> Future for Explosive<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<()> {
        assert!(self.0.is_armed());
        Poll::Ready(())
    }
}

/// Who else is in the scope, and ends only when asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Company {
    Nobody,
    Blocks,
    PlainFutures,
    Jobs,
    Background,
    Nested,
    Everybody,
}

impl Company {
    const ALL: [Self; 7] =
        [Self::Nobody, Self::Blocks, Self::PlainFutures, Self::Jobs, Self::Background, Self::Nested, Self::Everybody];

    fn join<'s>(self, s: &'s Scope<'s>, lent: &'s Lent) {
        match self {
            Self::Nobody => {}
            Self::Blocks => {
                for _ in 0..3 {
                    s.spawn(until_asked(lent));
                }
            }
            Self::PlainFutures => {
                for _ in 0..3 {
                    let held = lent.hold();
                    s.spawn(async move {
                        let _held = held;
                        pending::<()>().await;
                    });
                }
            }
            Self::Jobs => {
                s.spawn_blocking_with(move |cx| {
                    let _held = lent.hold();
                    cx.block_on(asked());
                    lent.look();
                });
                s.spawn_blocking_with(move |cx| {
                    let _held = lent.hold();
                    while !cx.is_cancelled() {
                        std::thread::yield_now();
                    }
                    lent.look();
                });
            }
            Self::Background => {
                s.spawn_background(until_asked(lent));
            }
            Self::Nested => {
                s.spawn(scope!(move |inner| {
                    inner.spawn(until_asked(lent));
                    let held = lent.hold();
                    asked().await;
                    drop(held);
                }));
            }
            Self::Everybody => {
                for company in Self::ALL {
                    if company != Self::Everybody {
                        company.join(s, lent);
                    }
                }
            }
        }
    }
}

fn until_asked(lent: &Lent) -> impl Async<Output = ()> + Send {
    async_block! { move
        let _held = lent.hold();
        asked().await;
        lent.look();
        yield_now().await;
        lent.look();
    }
}

/// A scope with this company, in which these places panic.
fn run(world: World, company: Company, sources: &[Source], bomb: bool) -> Result<(), String> {
    let lent = Lent::new();
    let data = &*lent;
    let result = outcome(|| {
        world.run(|options| {
            scope!(options, |s| {
                company.join(s, data);
                for source in sources {
                    source.plant(s, data, bomb);
                }
                let _local = sources.contains(&Source::BodyLocal).then(|| {
                    on_drop(|| {
                        // A second panic during a panic is the end of the process, by the rules of the language.
                        if !std::thread::panicking() {
                            Source::BodyLocal.raise(bomb);
                        }
                    })
                });
                for source in sources {
                    match source {
                        Source::Body => source.raise(bomb),
                        Source::BodyLater => {
                            yield_now().await;
                            source.raise(bomb);
                        }
                        _ => {}
                    }
                }
                if sources.iter().any(|source| source.is_early() && *source != Source::BodyLocal) {
                    // Nobody else asks: the panic must.
                    asked().await;
                } else {
                    s.cancel();
                }
            })
        })
    });
    assert_eq!(lent.held(), 0, "{world:?} {company:?} {sources:?}");
    result
}

#[test]
fn each_panic_leaves_when_all_company_has_ended() {
    for world in WORLDS {
        for company in Company::ALL {
            for source in Source::ALL {
                for bomb in [false, true] {
                    let result = run(world, company, &[source], bomb);
                    assert_eq!(result, Err(source.text().to_owned()), "{world:?} {company:?} {source:?} {bomb}");
                }
            }
        }
    }
}

#[test]
fn of_two_panics_one_comes_out_and_the_other_harms_nobody() {
    for world in WORLDS {
        for first in Source::ALL {
            for second in Source::ALL {
                let text = run(world, Company::Everybody, &[first, second], true).expect_err("two panics");
                assert!(text == first.text() || text == second.text(), "{world:?} {first:?} {second:?} gave {text:?}");
            }
        }
    }
}

#[test]
fn all_at_once() {
    for world in WORLDS {
        for bomb in [false, true] {
            run(world, Company::Everybody, &Source::ALL, bomb).expect_err("many panics");
        }
    }
}

#[test]
fn the_first_panic_in_time_comes_out() {
    // A detached task first, then the body, then a hook.
    let result = outcome(|| {
        World::Hand.run(|options| {
            scope!(options, |s| {
                drop(s.spawn(async_block! { raise("first") }));
                s.on_exit(async_block! { raise("third") });
                asked().await;
                raise("second")
            })
        })
    });
    assert_eq!(result, Err("first".to_owned()));
}

#[test]
fn a_panic_that_was_awaited_is_the_observers() {
    for world in [World::Pool, World::Threads, World::Hand, World::Inline] {
        let text = world.run(|options| {
            scope!(options, |s| {
                let other = s.spawn(async_block! { pending_once().await });
                let error = s.spawn(async_block! { raise("observed") }).await.unwrap_err();
                assert!(!s.is_cancelled());
                other.cancel();
                drop(other);
                s.spawn(async { 1 }).await.unwrap();
                s.cancel();
                match error {
                    JoinError::Panicked(panic) => panic.message().unwrap().to_owned(),
                    JoinError::Cancelled(_) => unreachable!(),
                }
            })
        });
        assert_eq!(text, "observed");
    }
}
