//! The engine of all operations: polls the children of a set until one output decides, and then ends the others.
//!
//! # Protocol
//!
//! ```text
//!            poll                 an output decides, or a panic
//!   Fresh ─────────▶ Running ─────────────────────────────────▶ Finishing
//!                       │ live = 0                                  │ live = 0
//!                       ▼                                           ▼
//!                    complete: the outcome, or the first panic goes on
//! ```
//!
//! A *round* is one poll of the engine. In `Running` it polls the children that its `Wakers` name. As soon as one decides,
//! the flag is raised and the same round goes over all live children again: a fresh one is dropped (clause *inert*), one
//! that is cancel-safe at that moment is dropped, every other is polled under the flag, and dropped after that if it has
//! become cancel-safe. Later rounds do the same with those that were woken. Nobody has to be woken when the flag is raised
//! (clause *wake*), since the round itself polls all who see it (clause *forward*).
//!
//! # Who is fresh
//! Only the first round meets fresh children, and it visits in order: there, and only there, the children from
//! `Pass::fresh_from` on are fresh: those behind the one at work, until a decision fixes the boundary.
//!
//! # Panics, danger by danger
//! All foreign code of a round (polls, destructors of children and outputs, the clone and drop of wakers, `is_cancel_safe`)
//! runs inside `contain`, and `Pass::at` says what it was busy with.
//! - A poll unwinds: the child is complete. It is dropped, the others are asked with `SiblingFailed`.
//! - A child's destructor unwinds, as it completes or as it is dropped: the slot already holds the output, or nothing. The
//!   child counts as complete, and the panic as its panic.
//! - `is_cancel_safe` unwinds: it has said no.
//! - The clone of the parent's waker unwinds: the children are polled with the parent's own waker from then on.
//! - The first payload is kept until nothing is live, the others are reported, destructors of payloads contained.
//! - Outputs that are not handed back are dropped when nothing is live, each contained.
//!
//! Without `std` nothing can be contained. `Pass::drop`, which runs only by unwinding, then lets the panic out if every
//! started sibling is cancel-safe, and aborts otherwise. With `std` it is the second line of defence.
//!
//! There is no blocking `Drop`: a started operation that is dropped is the breach of its owner against *completed*, exactly
//! as it would be for each child, and each child's own fallback answers it.
//!
//! Read next: `set.rs`, then `wakers.rs`.

use core::{marker::PhantomData, mem, ops::ControlFlow, pin::Pin, task::Poll};

use async_trait_core::{Async, CancelFlag, Context, Reason};

use super::{
    panics::{FirstPanic, Payload, abort, contain},
    policy::{Judge, Policy},
    set::{Slots, Visit},
    slot::Slot,
    wakers::Wakers,
};

/// No position.
const NONE: usize = usize::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Running,
    Finishing,
}

/// What an operation knows beside its slots.
///
/// # Invariants
/// `live` is the number of slots with a child. `flag` is raised exactly in `Finishing`.
pub struct Engine<W> {
    phase: Phase,
    /// Children that are fresh or started.
    live: usize,
    /// The child whose output decided.
    first: usize,
    flag: CancelFlag,
    panic: FirstPanic,
    wakers: W,
}

impl<W: Wakers> Engine<W> {
    pub(crate) fn new(live: usize) -> Self {
        Self {
            phase: Phase::Fresh,
            live,
            first: NONE,
            flag: CancelFlag::new(),
            panic: FirstPanic::new(),
            wakers: W::default(),
        }
    }

    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.phase == Phase::Fresh
    }

    /// The position of the child whose output decided.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        (self.first != NONE).then_some(self.first)
    }

    /// One round. `Ready` when all children are complete or were dropped; then every output is in its slot, but only the
    /// deciding one if there is one and the others are not kept.
    ///
    /// # Safety
    /// The caller keeps *completed* for the slots, which are always the same, and *retired*: it does not call again after
    /// `Ready` or unwinding.
    ///
    /// # Panics
    /// With the first panic of a child, when all are complete; all outputs are dropped then.
    #[inline]
    pub(crate) unsafe fn poll<S: Slots<P>, P: Policy>(&mut self, slots: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<()> {
        let first_round = self.is_fresh();
        self.phase = if first_round { Phase::Running } else { self.phase };
        let mut pass = Pass { engine: self, slots, at: NONE, first_round, fresh_from: NONE, policy: PhantomData };
        pass.round(cx);
        let complete = pass.engine.live == 0;
        if complete {
            pass.drop_the_rest();
        }
        mem::forget(pass);
        if !complete {
            return Poll::Pending;
        }
        self.panic.go_on();
        Poll::Ready(())
    }
}

/// One poll of the engine. Dropped only by unwinding.
struct Pass<'p, W: Wakers, S: Slots<P>, P: Policy> {
    engine: &'p mut Engine<W>,
    slots: Pin<&'p mut S>,
    /// The child that is being polled or dropped right now, complete if that unwinds.
    at: usize,
    first_round: bool,
    /// In `Finishing` the children from here on are fresh.
    fresh_from: usize,
    policy: PhantomData<P>,
}

impl<W: Wakers, S: Slots<P>, P: Policy> Pass<'_, W, S, P> {
    #[inline]
    fn round(&mut self, cx: &mut Context<'_>) {
        let mut sweep = None;
        while let Err(payload) = contain(|| self.advance(&mut sweep, cx)) {
            self.recover(payload, &mut sweep);
        }
    }

    /// Goes on with the round, from its beginning or from where it was interrupted.
    #[inline]
    fn advance(&mut self, sweep: &mut Option<W::Sweep>, cx: &mut Context<'_>) {
        self.at = NONE;
        let len = self.slots.len();
        let Engine { live, first, wakers, phase, .. } = &mut *self.engine;
        let sweep = match sweep {
            Some(sweep) => sweep,
            None => sweep.insert(wakers.begin(len, cx)),
        };
        if *phase != Phase::Finishing {
            let mut run = Run { live, first, wakers: &*wakers, at: &mut self.at, decided: None, len, cx };
            wakers.walk(self.slots.as_mut(), sweep, &mut run);
            let Some(reason) = run.decided else { return };
            *sweep = self.finish(reason);
        }
        self.end_the_others(sweep, cx);
    }

    /// The children from here on are fresh: in the first round those behind the one at work. (If none is, all are.)
    fn fresh_from(&self) -> usize {
        if self.engine.phase == Phase::Finishing {
            self.fresh_from
        } else if self.first_round {
            self.at.wrapping_add(1)
        } else {
            NONE
        }
    }

    /// From here on the remaining children are ended, beginning with a sweep over all.
    #[cold]
    fn finish(&mut self, reason: Reason) -> W::Sweep {
        self.fresh_from = self.fresh_from();
        self.engine.phase = Phase::Finishing;
        self.engine.flag.request(reason);
        self.engine.wakers.everything()
    }

    #[inline(never)]
    fn end_the_others(&mut self, sweep: &mut W::Sweep, cx: &mut Context<'_>) {
        let Engine { live, wakers, flag, panic, .. } = &mut *self.engine;
        let (wakers, len) = (&*wakers, self.slots.len());
        let (at, fresh_from) = (&mut self.at, self.fresh_from);
        let mut end = End { live, panic, wakers, at, fresh_from, len, cx: cx.with_cancel(flag) };
        wakers.walk(self.slots.as_mut(), sweep, &mut end);
    }

    /// After a panic: the child at work is complete and goes, and the others are ended.
    #[cold]
    fn recover(&mut self, payload: Payload, sweep: &mut Option<W::Sweep>) {
        self.engine.panic.note(payload);
        let at = self.at;
        if self.engine.phase != Phase::Finishing {
            *sweep = Some(self.finish(Reason::SiblingFailed));
        } else if let Some(sweep) = sweep {
            W::resume(sweep, at);
        }
        if at == NONE {
            self.engine.wakers.give_up();
            sweep.get_or_insert_with(|| self.engine.wakers.everything());
        } else {
            self.discard(at);
            self.engine.live -= 1;
        }
    }

    /// Drops what is in a slot, contained.
    fn discard(&mut self, index: usize) {
        let slots = self.slots.as_mut();
        if let Err(payload) = contain(|| slots.visit_at(index, &mut Discard).is_continue()) {
            self.engine.panic.note(payload);
        }
    }

    /// Drops the outputs that are not handed back. Nothing is live.
    #[inline]
    fn drop_the_rest(&mut self) {
        self.at = NONE;
        if self.engine.panic.is_some() || (!P::KEEPS_LATE && self.engine.first != NONE) {
            self.drop_outputs();
        }
    }

    #[inline(never)]
    fn drop_outputs(&mut self) {
        for index in 0..self.slots.len() {
            if index != self.engine.first || self.engine.panic.is_some() {
                self.discard(index);
            }
        }
        // A destructor above was the first to panic.
        if self.engine.panic.is_some() && self.engine.first != NONE {
            self.discard(self.engine.first);
        }
    }
}

impl<W: Wakers, S: Slots<P>, P: Policy> Drop for Pass<'_, W, S, P> {
    #[cold]
    fn drop(&mut self) {
        let mut check = MayBeLeft { except: self.at, fresh_from: self.fresh_from() };
        if self.slots.as_mut().visit_from(0, &mut check).is_break() {
            abort();
        }
    }
}

/// The visit of `Running`: polls, and stops at an output that decides.
struct Run<'v, 'c, W> {
    live: &'v mut usize,
    first: &'v mut usize,
    wakers: &'v W,
    at: &'v mut usize,
    decided: Option<Reason>,
    len: usize,
    cx: &'v mut Context<'c>,
}

impl<W: Wakers> Visit for Run<'_, '_, W> {
    // Always: the fields are registers then, which halves the cost of a round over a tuple.
    #[inline(always)]
    fn visit<A: Async, P: Judge<A::Output>>(&mut self, index: usize, mut slot: Pin<&mut Slot<A>>) -> ControlFlow<()> {
        if !slot.is_live() {
            return ControlFlow::Continue(());
        }
        *self.at = index;
        let polled = self.wakers.lend(index, self.len, self.cx, |cx| {
            // SAFETY: *completed*: the engine's caller keeps it for the slots, and the engine drops a child only when it is fresh,
            // cancel-safe or complete. *retired*: a child that returns `Ready` is replaced below, one that unwinds by `recover`.
            unsafe { slot.as_mut().poll(cx) }
        });
        let Poll::Ready(output) = polled else { return ControlFlow::Continue(()) };
        let decided = P::decides(&output);
        slot.finish(output);
        *self.live -= 1;
        if decided.is_none() {
            return ControlFlow::Continue(());
        }
        self.decided = decided;
        *self.first = index;
        ControlFlow::Break(())
    }
}

/// The visit of `Finishing`: drops what may be dropped, polls the rest under the flag.
struct End<'v, 'c, W> {
    live: &'v mut usize,
    panic: &'v mut FirstPanic,
    wakers: &'v W,
    at: &'v mut usize,
    fresh_from: usize,
    len: usize,
    cx: Context<'c>,
}

impl<W> End<'_, '_, W> {
    fn discard<A: Async>(&mut self, index: usize, slot: Pin<&mut Slot<A>>) {
        *self.at = index;
        slot.discard();
        *self.live -= 1;
    }

    /// Whether a started child may be dropped now. Who unwinds instead of answering has said no.
    fn is_cancel_safe<A: Async>(&mut self, slot: &Slot<A>) -> bool {
        *self.at = NONE;
        contain(|| slot.is_cancel_safe()).unwrap_or_else(|payload| {
            self.panic.note(payload);
            false
        })
    }
}

impl<W: Wakers> Visit for End<'_, '_, W> {
    fn visit<A: Async, P: Judge<A::Output>>(&mut self, index: usize, mut slot: Pin<&mut Slot<A>>) -> ControlFlow<()> {
        if !slot.is_live() {
            return ControlFlow::Continue(());
        }
        // *inert*: a fresh child is dropped, never started in order to be asked. *honest*: asked at the moment of the drop.
        if index >= self.fresh_from || self.is_cancel_safe(&slot) {
            self.discard(index, slot);
            return ControlFlow::Continue(());
        }
        *self.at = index;
        let polled = self.wakers.lend(index, self.len, &mut self.cx, |cx| {
            // SAFETY: as in `Run::visit`.
            unsafe { slot.as_mut().poll(cx) }
        });
        if let Poll::Ready(output) = polled {
            slot.finish(output);
            *self.live -= 1;
        } else if self.is_cancel_safe(&slot) {
            self.discard(index, slot);
        }
        ControlFlow::Continue(())
    }
}

/// Drops what is in a slot.
struct Discard;

impl Visit for Discard {
    fn visit<A: Async, P: Judge<A::Output>>(&mut self, _: usize, slot: Pin<&mut Slot<A>>) -> ControlFlow<()> {
        slot.discard();
        ControlFlow::Continue(())
    }
}

/// Breaks at a started child that must be completed.
struct MayBeLeft {
    /// Complete, by the panic that is under way.
    except: usize,
    fresh_from: usize,
}

impl Visit for MayBeLeft {
    fn visit<A: Async, P: Judge<A::Output>>(&mut self, index: usize, slot: Pin<&mut Slot<A>>) -> ControlFlow<()> {
        if index == self.except || index >= self.fresh_from || slot.is_cancel_safe() {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(())
    }
}
