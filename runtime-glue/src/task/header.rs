//! The head of a slot: what a task looks like to those who do not know its type. Wakers, scheduling, the way to the rescue.

use std::{
    cell::{Cell, UnsafeCell},
    mem::{ManuallyDrop, MaybeUninit},
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    ptr::{self, NonNull},
    task::{RawWaker, RawWakerVTable, Waker},
};

use async_trait_core::{CancelFlag, Context, Reason};

use super::{
    arena::{Owner, Place},
    blocked,
    set::TaskSet,
    state::{Kind, State, Suspend, Wake},
};
use crate::{BlockingJob, Runtime as _, RuntimeHandle, Work, rescue};

/// What is known of a task's type.
pub(crate) struct VTable {
    /// Polls the future once, or runs the closure.
    pub(crate) run: unsafe fn(NonNull<Header>),
    /// Destroys the payload unrun and completes the task as cancelled.
    pub(crate) abandon: unsafe fn(NonNull<Header>),
    /// Where the payload, and later the output cell, begins in the slot.
    pub(crate) payload_at: usize,
    /// The name of the payload's type, for reports.
    pub(crate) type_name: fn() -> &'static str,
}

/// The head of a task's slot.
///
/// Who may touch what: `state` anybody who holds a reference; `vtable`, `place` and `location` are written before the first
/// `Work` exists and never again; `join_waker` whoever `State` says; `flag` anybody.
///
/// # Invariants
/// The payload behind the header is: the future or closure until it is taken or destroyed by the owner that `SCHED` stands for;
/// after `DONE`, the output cell if `HANDLE` was set then.
#[repr(C)]
pub struct Header {
    pub(crate) state: State,
    pub(crate) vtable: &'static VTable,
    pub(crate) place: Place,
    pub(crate) join_waker: WakerCell,
    /// The task's own request to finish.
    pub(crate) flag: CancelFlag,
    pub(crate) location: &'static Location<'static>,
}

impl Header {
    pub(crate) fn new(kind: Kind, vtable: &'static VTable, place: Place, location: &'static Location<'static>) -> Self {
        Self {
            state: State::spawned(kind),
            vtable,
            place,
            join_waker: WakerCell(UnsafeCell::new(MaybeUninit::uninit())),
            flag: CancelFlag::new(),
            location,
        }
    }

    /// Runs the task once.
    ///
    /// # Safety
    /// The caller is the one owner that `SCHED` stands for, and gives that up.
    pub(crate) unsafe fn run(header: NonNull<Self>) {
        // SAFETY: an unfinished task's slot is valid.
        let run = unsafe { header.as_ref() }.vtable.run;
        // SAFETY: promised by the caller.
        unsafe { run(header) };
    }

    /// Destroys the payload and completes the task as cancelled.
    ///
    /// # Safety
    /// As for `run`; and the payload may be destroyed: it is a closure that never ran, or cancel-safe.
    pub(crate) unsafe fn abandon(header: NonNull<Self>) {
        // SAFETY: an unfinished task's slot is valid.
        let abandon = unsafe { header.as_ref() }.vtable.abandon;
        // SAFETY: promised by the caller.
        unsafe { abandon(header) };
    }

    /// The scope of the task.
    ///
    /// # Safety
    /// The task is unfinished and stays so while the result is used, or `'a` is otherwise known to be within the scope's
    /// life. `None` for a task of its own.
    pub(crate) unsafe fn set<'a>(header: NonNull<Self>) -> Option<&'a TaskSet> {
        // SAFETY: promised by the caller.
        let owner = unsafe { Self::owner(header) };
        match owner {
            // SAFETY: a scope outlives its unfinished tasks.
            Owner::Set(set) => Some(unsafe { set.as_ref() }),
            Owner::Alone(_) => None,
        }
    }

    /// Whose task it is.
    ///
    /// # Safety
    /// As for `set`.
    unsafe fn owner<'a>(header: NonNull<Self>) -> &'a Owner {
        // SAFETY: an unfinished task's slot is valid.
        let block = unsafe { header.as_ref() }.place.block();
        // SAFETY: and so is its block.
        &unsafe { block.as_ref() }.owner
    }

    /// The runtime that the task is scheduled on.
    ///
    /// # Safety
    /// As for `set`.
    pub(crate) unsafe fn runtime<'a>(header: NonNull<Self>) -> &'a RuntimeHandle {
        // SAFETY: promised by the caller.
        let owner = unsafe { Self::owner(header) };
        match owner {
            // SAFETY: a scope outlives its unfinished tasks.
            Owner::Set(set) => unsafe { set.as_ref() }.scheduler(),
            Owner::Alone(runtime) => runtime.as_ref().expect("a task's runtime is taken only when it completes"),
        }
    }

    /// The runtime that code inside the task sees as its own.
    ///
    /// # Safety
    /// As for `set`.
    pub(crate) unsafe fn ambient(header: NonNull<Self>) -> RuntimeHandle {
        // SAFETY: promised by the caller.
        match unsafe { Self::set(header) } {
            Some(set) => set.ambient().clone(),
            // SAFETY: promised by the caller.
            None => unsafe { Self::runtime(header) }.clone(),
        }
    }

    /// Takes the runtime of a task of its own, in order to drop it when the task is complete rather than with its last waker.
    ///
    /// # Safety
    /// The caller is the owner of the unfinished task, and about to complete it.
    pub(crate) unsafe fn take_runtime(header: NonNull<Self>) -> Option<RuntimeHandle> {
        // SAFETY: an unfinished task's slot, hence its block, is valid.
        let block = unsafe { header.as_ref() }.place.block();
        // SAFETY: the block is valid; for a scope's block, which others share, nothing is written.
        if let Owner::Set(_) = unsafe { &block.as_ref().owner } {
            return None;
        }
        // SAFETY: the block has this one slot, and only who owns the unfinished task looks at the runtime.
        match unsafe { &mut (*block.as_ptr()).owner } {
            Owner::Alone(runtime) => runtime.take(),
            Owner::Set(_) => None,
        }
    }

    /// Releases a reference, and the slot with the last one.
    ///
    /// # Safety
    /// The caller holds the reference. The slot is not used by it any more.
    pub(crate) unsafe fn release(header: NonNull<Self>) {
        // SAFETY: a reference keeps the slot valid.
        let head = unsafe { header.as_ref() };
        let place = head.place;
        if head.state.release() {
            // SAFETY: the last reference is gone; the task is `DONE` (it has a reference until then), so the payload is
            // destroyed, and the output was taken by the handle (which had a reference) or never stored.
            unsafe { place.free() };
        }
    }

    /// Wakes the task.
    ///
    /// # Safety
    /// The caller holds a reference.
    pub(crate) unsafe fn wake(header: NonNull<Self>) {
        // SAFETY: a reference keeps the slot valid.
        match unsafe { header.as_ref() }.state.wake() {
            Wake::Nothing => {}
            Wake::Blocked => blocked::wake(header),
            Wake::Schedule => {
                // SAFETY: `SCHED` was just set by this call.
                unsafe { schedule(header) };
            }
        }
    }

    /// After a poll: goes idle, or runs again.
    ///
    /// # Safety
    /// The caller is the owner that `SCHED` stands for, and gives that up.
    pub(crate) unsafe fn suspend(header: NonNull<Self>) {
        // SAFETY: an unfinished task's slot is valid until its owner gives it up, which is the last thing `suspend` does.
        match unsafe { header.as_ref() }.state.suspend() {
            Suspend::Idle => {}
            Suspend::Again => {
                // SAFETY: still the owner.
                unsafe { schedule(header) };
            }
        }
    }

    /// A waker that borrows the slot; its clones hold references.
    ///
    /// # Safety
    /// The slot stays valid while the waker is used.
    pub(crate) unsafe fn borrowed_waker(header: NonNull<Self>) -> ManuallyDrop<Waker> {
        let raw = RawWaker::new(header.as_ptr().cast_const().cast(), &WAKER);
        // SAFETY: the functions of `WAKER` keep the contract of `RawWaker`: the state is atomic, scheduling is thread-safe,
        // and each clone owns a reference, which its `wake` or `drop` releases. This one owns none and is never dropped.
        ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
    }
}

/// Releases a reference when it is dropped.
///
/// # Invariants
/// The reference is its own.
pub(crate) struct Reference(pub(crate) NonNull<Header>);

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: by the invariant; released once.
        unsafe { Header::release(self.0) };
    }
}

/// The place of a join waker. Whose it is, and whether it is filled, is the state's business: see `JWAKER` there.
pub(crate) struct WakerCell(UnsafeCell<MaybeUninit<Waker>>);

impl WakerCell {
    /// # Safety
    /// The place is the caller's.
    pub(crate) unsafe fn write(&self, waker: Waker) {
        // SAFETY: nobody else looks at it, as the caller promised.
        unsafe { &mut *self.0.get() }.write(waker);
    }

    /// # Safety
    /// The place is the caller's and filled; it is empty afterwards.
    pub(crate) unsafe fn take(&self) -> Waker {
        // SAFETY: nobody else looks at it, as the caller promised.
        let place = unsafe { &*self.0.get() };
        // SAFETY: filled, and not read again, as the caller promised.
        unsafe { place.assume_init_read() }
    }

    /// # Safety
    /// The place is the caller's and filled.
    pub(crate) unsafe fn will_wake(&self, other: &Waker) -> bool {
        // SAFETY: nobody else looks at it, as the caller promised.
        let place = unsafe { &*self.0.get() };
        // SAFETY: filled, as the caller promised.
        unsafe { place.assume_init_ref() }.will_wake(other)
    }
}

static WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: `data` is the header that `borrowed_waker` put in, kept valid by the waker's reference or its borrow.
        unsafe { &*data.cast::<Header>() }.state.retain();
        RawWaker::new(data, &WAKER)
    },
    |data| {
        let header = header_of(data);
        // INVARIANT: the waker's reference, which ends with it, also when the runtime panics.
        let _reference = Reference(header);
        // SAFETY: the waker's reference.
        unsafe { Header::wake(header) };
    },
    |data| {
        // SAFETY: the waker's reference or borrow.
        unsafe { Header::wake(header_of(data)) };
    },
    |data| {
        // SAFETY: the waker's reference, which ends with it.
        unsafe { Header::release(header_of(data)) };
    },
);

fn header_of(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut().cast()).expect("a waker's data is a header")
}

/// How deep schedule calls may nest on one thread before they are put off.
const MOST_DEPTH: u32 = 64;

thread_local! {
    /// The innermost call of `Runtime::schedule` that is under way on this thread.
    static SCHEDULING: Cell<*const Scheduling> = const { Cell::new(ptr::null()) };
}

/// A call of `Runtime::schedule`, in the stack frame of [`schedule`], in the list of those on this thread.
struct Scheduling {
    outer: *const Self,
    depth: u32,
    /// The task that is being scheduled, to compare with.
    header: NonNull<Header>,
    /// Its `Work`, if an unwinding has dropped it.
    lost: Cell<Option<Work>>,
}

impl Scheduling {
    /// Calls `f` with the calls on this thread, from the innermost out, until it returns true.
    fn any(mut f: impl FnMut(&Self) -> bool) -> bool {
        let mut next = SCHEDULING.get();
        // SAFETY: a call in the list is still running, further down on this stack.
        while let Some(call) = unsafe { next.as_ref() } {
            if f(call) {
                return true;
            }
            next = call.outer;
        }
        false
    }
}

/// Hands a task to its runtime, or to the rescue if it belongs there.
///
/// # Safety
/// The caller is the owner that `SCHED` stands for, and gives that up. If it needs the slot afterwards it holds a reference.
pub(crate) unsafe fn schedule(header: NonNull<Header>) {
    // SAFETY: ownership passes to the `Work`.
    let work = unsafe { Work::from_header(header) };
    // SAFETY: the task is unfinished while `work` exists.
    let rescued = unsafe { header.as_ref() }.state.is_rescued();
    if rescued {
        rescue::push(work);
        return;
    }
    // A counted handle is cloned, since the task may complete, and its scope end, while `schedule` still runs on the runtime.
    // SAFETY: the task is unfinished while `work` exists.
    let runtime = unsafe { Header::runtime(header) }.clone();
    // SAFETY: the task is unfinished while `work` exists.
    if unsafe { header.as_ref() }.state.is_local() {
        // The queue of a local scope takes the work first and keeps it, whatever else happens: it must not reach the rescue.
        runtime.schedule(work);
        return;
    }
    let outer = SCHEDULING.get();
    // SAFETY: a call in the list is still running, further down on this stack.
    let depth = unsafe { outer.as_ref() }.map_or(0, |call| call.depth) + 1;
    if depth > MOST_DEPTH {
        // A runtime that runs work inline.
        rescue::push(work);
        return;
    }
    let call = Scheduling { outer, depth, header, lost: Cell::new(None) };
    SCHEDULING.set(&raw const call);
    let result = catch_unwind(AssertUnwindSafe(|| runtime.schedule(work)));
    SCHEDULING.set(outer);
    // If it has not panicked, a `Work` that got lost in an unwinding inside it, or that it dropped while this thread was
    // unwinding anyway, is dropped with `call`, and so rescued.
    let Err(payload) = result else { return };
    let Some(work) = call.lost.take() else { resume_unwind(payload) };
    // SAFETY: the task is unfinished while `work` exists.
    match unsafe { Header::set(header) } {
        Some(set) => {
            set.unobserved_panic(payload);
            rescue::adopt(work);
        }
        None => {
            rescue::adopt(work);
            resume_unwind(payload);
        }
    }
}

/// A `Work` was dropped. If that was the unwinding of a panicking `schedule`, which then tells the scope, it takes care of the
/// work; else it is rescued.
pub(crate) fn dropped(work: Work) {
    let mut work = Some(work);
    if std::thread::panicking() {
        Scheduling::any(|call| {
            let lost = work.take_if(|work| work.header() == call.header);
            let found = lost.is_some();
            if found {
                call.lost.set(lost);
            }
            found
        });
    }
    if let Some(work) = work {
        rescue::adopt(work);
    }
}

/// Hands a blocking task to its runtime.
///
/// # Safety
/// As for `schedule`; the payload is a closure.
pub(crate) unsafe fn schedule_blocking(header: NonNull<Header>) {
    // SAFETY: ownership passes to the `BlockingJob`.
    let job = unsafe { BlockingJob::from_header(header) };
    // SAFETY: the task is unfinished while `job` exists. Cloned as in `schedule`.
    let runtime = unsafe { Header::runtime(header) }.clone();
    // A panic drops the job, which completes it as cancelled, and goes to whoever spawns.
    runtime.spawn_blocking(job);
}

/// Calls `f` with the context that a task is polled under: its own flag, its scope's, and its runtime as an ambient value.
///
/// # Safety
/// The caller is the owner of the unfinished task and stays so during the call.
pub(crate) unsafe fn with_context<R>(header: NonNull<Header>, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
    // SAFETY: the slot is valid while its owner polls.
    let waker = unsafe { Header::borrowed_waker(header) };
    let mut cx = Context::from_waker(&waker);
    // SAFETY: the owner holds the task unfinished during the call.
    let head = unsafe { header.as_ref() };
    // SAFETY: as above.
    match unsafe { Header::set(header) } {
        Some(set) => {
            let mut cx = cx.with_value(set.ambient());
            crate::current::enter(set.ambient(), || {
                let mut cx = cx.with_cancel(set.flag());
                let mut cx = cx.with_cancel(&head.flag);
                set.with_inherited(&mut cx, f)
            })
        }
        None => {
            // SAFETY: as above.
            let runtime = unsafe { Header::runtime(header) };
            let mut cx = cx.with_value(runtime);
            crate::current::enter(runtime, || f(&mut cx.with_cancel(&head.flag)))
        }
    }
}

/// Asks one task to finish, and wakes it.
///
/// # Safety
/// The caller holds a reference.
pub(crate) unsafe fn cancel(header: NonNull<Header>, reason: Reason) {
    // SAFETY: a reference keeps the slot valid.
    if unsafe { header.as_ref() }.flag.request(reason) {
        // SAFETY: the caller's reference.
        unsafe { Header::wake(header) };
    }
}
