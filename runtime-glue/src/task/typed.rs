//! The typed part of a task: running its future or closure, and completing it.
//!
//! The order that must hold (std's scoped threads got it wrong once, rust-lang/rust#94644): the future is destroyed, then the
//! output if nobody takes it, then the task is `DONE`, then the joiner is woken, then the task's reference goes, and last of
//! all the scope's count falls. Foreign code that may panic on the way (a destructor, a waker) is contained: its panic is
//! reported to the scope, or, without one, has been reported by the panic hook.

use std::{
    alloc::Layout,
    any::Any,
    marker::PhantomData,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    ptr::NonNull,
    sync::Arc,
    task::Poll,
};

use async_trait_core::{__private::AwaitSite, Async, Cancelled, Context, Reason};

use super::{
    arena::Place,
    blocked::BlockingCx,
    header::{Header, VTable, with_context},
    panics::PanicCell,
    set::TaskSet,
    state::{Finish, Kind},
};
use crate::contain::contain;

/// What a handle finds in the output cell.
pub(crate) enum Outcome<T> {
    Value(T),
    Panicked(Arc<PanicCell>),
    Cancelled(Cancelled),
}

/// What a run of the payload came to.
enum Step<T> {
    Pending,
    Ready(T),
    /// A cancel-safe value was asked to finish: it is dropped.
    Drop(Reason),
}

/// The slot of a task with payload `P` and output `T`.
struct Slot<P, T>(PhantomData<(P, T)>);

impl<P, T> Slot<P, T> {
    const PAYLOAD: Layout = {
        let (payload, output) = (Layout::new::<P>(), Layout::new::<Outcome<T>>());
        let size = if payload.size() > output.size() { payload.size() } else { output.size() };
        let align = if payload.align() > output.align() { payload.align() } else { output.align() };
        match Layout::from_size_align(size, align) {
            Ok(layout) => layout,
            Err(_) => panic!("a task's future is too large"),
        }
    };
    const WHOLE: (Layout, usize) = match Layout::new::<Header>().extend(Self::PAYLOAD) {
        Ok((layout, at)) => (layout.pad_to_align(), at),
        Err(_) => panic!("a task's future is too large"),
    };
    const PAYLOAD_AT: usize = Self::WHOLE.1;

    /// The payload's place.
    ///
    /// # Safety
    /// `header` begins a slot of this type.
    unsafe fn payload(header: NonNull<Header>) -> NonNull<P> {
        // SAFETY: within the slot, by `WHOLE`.
        unsafe { header.byte_add(Self::PAYLOAD_AT).cast() }
    }
}

/// The output cell of a slot.
///
/// # Safety
/// `header` begins a valid slot whose output type is `T`.
pub(crate) unsafe fn output_cell<T>(header: NonNull<Header>) -> NonNull<Outcome<T>> {
    // SAFETY: promised by the caller.
    let at = unsafe { header.as_ref() }.vtable.payload_at;
    // SAFETY: within the slot, by `Slot::WHOLE`.
    unsafe { header.byte_add(at).cast() }
}

struct AsyncTask<A>(PhantomData<A>);

impl<A: Async> AsyncTask<A> {
    const VTABLE: &'static VTable = &VTable {
        run: run_async::<A>,
        abandon: abandon::<A, A::Output>,
        payload_at: Slot::<A, A::Output>::PAYLOAD_AT,
        type_name: std::any::type_name::<A>,
    };
}

struct BlockingTask<F, T>(PhantomData<(F, T)>);

impl<F: FnOnce(&BlockingCx<'_>) -> T, T> BlockingTask<F, T> {
    const VTABLE: &'static VTable = &VTable {
        run: run_blocking::<F, T>,
        abandon: abandon::<F, T>,
        payload_at: Slot::<F, T>::PAYLOAD_AT,
        type_name: std::any::type_name::<F>,
    };
}

/// A new task in the slot that `claim` provides; its `SCHED` ownership and one reference for a handle are the caller's.
pub(crate) fn new_async<A: Async>(
    a: A,
    kind: Kind,
    location: &'static Location<'static>,
    claim: impl FnOnce(Layout, &dyn Fn(NonNull<Header>, Place)) -> NonNull<Header>,
) -> NonNull<Header> {
    let header = claim(Slot::<A, A::Output>::WHOLE.0, &|header, place| {
        // SAFETY: the slot was just claimed and is large enough.
        unsafe { header.write(Header::new(kind, AsyncTask::<A>::VTABLE, place, location)) };
    });
    // SAFETY: a slot of this type.
    let payload = unsafe { Slot::<A, A::Output>::payload(header) };
    // SAFETY: claimed, and nobody else knows the payload yet: the task's one owner is this function's caller.
    unsafe { payload.write(a) };
    header
}

/// As `new_async`, for a closure.
pub(crate) fn new_blocking<F: FnOnce(&BlockingCx<'_>) -> T, T>(
    f: F,
    kind: Kind,
    location: &'static Location<'static>,
    claim: impl FnOnce(Layout, &dyn Fn(NonNull<Header>, Place)) -> NonNull<Header>,
) -> NonNull<Header> {
    let header = claim(Slot::<F, T>::WHOLE.0, &|header, place| {
        // SAFETY: the slot was just claimed and is large enough.
        unsafe { header.write(Header::new(kind, BlockingTask::<F, T>::VTABLE, place, location)) };
    });
    // SAFETY: a slot of this type.
    let payload = unsafe { Slot::<F, T>::payload(header) };
    // SAFETY: as in `new_async`.
    unsafe { payload.write(f) };
    header
}

/// # Safety
/// The caller is the owner of this unfinished task of type `A`, and gives that up.
unsafe fn run_async<A: Async>(header: NonNull<Header>) {
    // SAFETY: an unfinished task's slot is valid.
    let head = unsafe { header.as_ref() };
    head.state.begin();
    // SAFETY: a slot of this type.
    let mut payload = unsafe { Slot::<A, A::Output>::payload(header) };
    let poll = |cx: &mut Context<'_>| {
        // SAFETY: the payload is the future, which only the owner touches.
        let future = unsafe { payload.as_mut() };
        // SAFETY: it does not move from its slot until it is destroyed, and the slot is not reused before that.
        let mut future = unsafe { Pin::new_unchecked(future) };
        if !head.state.is_started()
            && let Some(reason) = cx.cancel_reason()
            && future.is_cancel_safe()
        {
            return Step::Drop(reason);
        }
        let mut poll = |cx: &mut Context<'_>| {
            // SAFETY: *completed*: a task's future is polled until it is complete or cancel-safe and asked; `Work` cannot be dropped
            // without the rescue running it on, and the scope outlives it. *retired*: on `Ready` or an unwinding the task is
            // completed and never run again.
            unsafe { future.as_mut().poll_async(cx) }
        };
        let polled = if cx.is_cancelled() {
            // What it waits for though it is asked, for the report of a stuck task.
            let site = AwaitSite::new();
            let polled = poll(&mut cx.with_value(&site));
            // SAFETY: the task is unfinished and its owner is here.
            if let (Poll::Pending, Some(set)) = (&polled, unsafe { Header::set(header) }) {
                set.note_wait(header, site.take());
            }
            polled
        } else {
            poll(cx)
        };
        match polled {
            Poll::Ready(output) => Step::Ready(output),
            // From here on nothing may unwind: the future is started, and would be dropped.
            Poll::Pending => match cx.cancel_reason() {
                // *honest*: asked now, at the moment of the drop.
                Some(reason) if contain(|| future.is_cancel_safe()) == Some(true) => Step::Drop(reason),
                _ => Step::Pending,
            },
        }
    };
    // SAFETY: the caller is the owner during this call.
    let step = catch_unwind(AssertUnwindSafe(|| unsafe { with_context(header, poll) }));
    let outcome = match step {
        Ok(Step::Pending) => {
            // SAFETY: the caller's ownership passes on.
            unsafe { Header::suspend(header) };
            return;
        }
        Ok(Step::Ready(output)) => Ok(Outcome::Value(output)),
        Ok(Step::Drop(reason)) => Ok(Outcome::Cancelled(Cancelled::from_reason(reason))),
        Err(panic) => Err(panic),
    };
    // SAFETY: the future is complete, or cancel-safe at this moment, and not touched again.
    let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { payload.drop_in_place() }));
    // SAFETY: the caller's ownership passes on, and the payload is destroyed.
    unsafe { complete(header, with_drop(outcome, dropped)) };
}

/// # Safety
/// The caller is the owner of this unfinished task, and gives that up. The payload is a closure that has not run.
unsafe fn run_blocking<F: FnOnce(&BlockingCx<'_>) -> T, T>(header: NonNull<Header>) {
    // SAFETY: a slot of this type.
    let payload = unsafe { Slot::<F, T>::payload(header) };
    // SAFETY: the closure is moved out once: the task completes below.
    let f = unsafe { payload.read() };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller is the owner until `complete`.
        let cx = unsafe { BlockingCx::new(header) };
        // SAFETY: as above.
        unsafe { cx.enter(|| f(&cx)) }
    }));
    // SAFETY: the caller's ownership passes on, and the payload was moved out and consumed.
    unsafe { complete(header, outcome.map(Outcome::Value)) };
}

/// Destroys the payload and completes the task as cancelled.
///
/// # Safety
/// The caller is the owner of this unfinished task, and gives that up. The payload is a closure that has not run, or is
/// cancel-safe.
unsafe fn abandon<P, T>(header: NonNull<Header>) {
    // SAFETY: an unfinished task's slot is valid.
    let head = unsafe { header.as_ref() };
    // SAFETY: a slot of this type.
    let payload = unsafe { Slot::<P, T>::payload(header) };
    // SAFETY: the payload may be destroyed, as the caller promised, and is not touched again.
    let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { payload.drop_in_place() }));
    // SAFETY: the caller is still the owner.
    let scope_reason = unsafe { Header::set(header) }.and_then(|set| set.flag().reason());
    let reason = head.flag.reason().or(scope_reason).unwrap_or(Reason::Shutdown);
    let outcome = Ok(Outcome::<T>::Cancelled(Cancelled::from_reason(reason)));
    // SAFETY: the caller's ownership passes on, and the payload is destroyed.
    unsafe { complete(header, with_drop(outcome, dropped)) };
}

type Payload = Box<dyn Any + Send>;

/// An outcome, after the future's destructor ran: the first panic counts.
fn with_drop<T>(outcome: Result<Outcome<T>, Payload>, dropped: Result<(), Payload>) -> Result<Outcome<T>, Payload> {
    match (outcome, dropped) {
        (outcome, Ok(())) => outcome,
        (Ok(output), Err(panic)) => {
            drop_contained(output);
            Err(panic)
        }
        (Err(first), Err(second)) => {
            drop_contained(second);
            Err(first)
        }
    }
}

/// Drops a value whose destructor may panic, where another panic is already on its way or nobody is left to be told: the panic
/// hook has printed it. The payload of that panic is leaked, since its destructor might panic again.
pub(crate) fn drop_contained<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(panic);
    }
}

/// Publishes the outcome of a task whose payload is destroyed.
///
/// # Safety
/// The caller is the owner of this unfinished task with output `T`, and gives that up. The payload is destroyed.
unsafe fn complete<T>(header: NonNull<Header>, outcome: Result<Outcome<T>, Payload>) {
    // SAFETY: the task has its own reference until `finish` releases it.
    let head = unsafe { header.as_ref() };
    // SAFETY: the scope outlives its unfinished tasks, and, since the count falls last, everything here.
    let set = unsafe { Header::set(header) };
    // SAFETY: the caller owns the task and is about to complete it.
    let runtime = unsafe { Header::take_runtime(header) };
    let background = head.state.is_background();

    // Who is told of panics that no handle observes.
    let told = set.filter(|set| !set.is_of_roots());
    let mut outcome = Some(match outcome {
        Ok(outcome) => outcome,
        Err(panic) => Outcome::Panicked(PanicCell::new(panic, told)),
    });
    let finish = loop {
        if head.state.is_wanted()
            && let Some(output) = outcome.take()
        {
            // SAFETY: a valid slot with this output type.
            let cell = unsafe { output_cell::<T>(header) };
            // SAFETY: the payload is destroyed, and until `finish` publishes it the cell is the completer's.
            unsafe { cell.write(output) };
            match head.state.finish(true) {
                // SAFETY: written just now, and still the completer's.
                Finish::Unwanted => outcome = Some(unsafe { cell.read() }),
                finish => break finish,
            }
        } else {
            if let Some(output) = outcome.take() {
                drop_unwanted(told, output);
            }
            break head.state.finish(false);
        }
    };
    match finish {
        Finish::WakeJoiner => {
            // SAFETY: `JWAKER` was set when `DONE` was, so the waker is initialised and the completer's.
            let waker = unsafe { head.join_waker.take() };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                report(told, panic);
            }
            // SAFETY: the task's reference, not released by `finish` in this case.
            unsafe { Header::release(header) };
        }
        Finish::Released(true) => {
            // SAFETY: the last reference is gone: see `Header::release`.
            unsafe { head.place.free() };
        }
        Finish::Released(false) => {}
        Finish::Unwanted => unreachable!("only with an output"),
    }
    drop_contained(runtime);
    if let Some(set) = set {
        TaskSet::fall(NonNull::from(set), background);
    }
}

/// The handle is gone: a panic goes to the scope, and so does one of the output's destructor.
fn drop_unwanted<T>(set: Option<&TaskSet>, outcome: Outcome<T>) {
    match outcome {
        Outcome::Panicked(cell) => match set {
            Some(set) => set.cancel_for_panic(),
            None => cell.discard(),
        },
        other => {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(other))) {
                report(set, panic);
            }
        }
    }
}

/// A panic of foreign code around a task, not of the task itself.
fn report(set: Option<&TaskSet>, panic: Payload) {
    match set {
        Some(set) => set.unobserved_panic(panic),
        // The panic hook has printed it, and there is nobody else to tell.
        None => std::mem::forget(panic),
    }
}
