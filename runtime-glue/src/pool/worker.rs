//! `Worker`: a thread that works for a pool, one of the pool's own or one that waits in `block_on`.
//!
//! ```text
//! loop:  the computation it waits for, if that was woken
//!        what the last task woke first (a few times in a row)
//!        its own ring               (now and then the injector first)
//!        the injector
//!        half of another's ring
//!        sleep
//! ```

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    ptr::{self, NonNull},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cores::Core,
    idle::{Bed, FIRST_LOOK, LAST_LOOK},
    shared::Shared,
};
use crate::{
    Waiting, Work,
    contain::contain,
    parker::Parker,
    sequential,
    sync::{Ordering, fence},
    task::Header,
};

/// Every so many polls the injector comes first, so that a busy worker does not starve it. Coprime to what programs do.
const INJECTOR_EVERY: u32 = 61;
/// How often in a row what the last task woke may overtake the ring.
const MOST_OVERTAKES: u32 = 16;
/// How long a searcher goes on looking before it sleeps: about what waking it would cost.
const SPIN: Duration = Duration::from_micros(5);

thread_local! {
    /// The innermost worker of this thread.
    static LOCAL: Cell<*const Worker<'static>> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with the worker of this thread.
pub(super) fn with_local<R>(f: impl FnOnce(Option<&Worker<'static>>) -> R) -> R {
    // SAFETY: the pointer is that of a worker in a `Worker::enter` that is still running, further down on this stack.
    f(unsafe { LOCAL.get().as_ref() })
}

/// A thread that works for a pool. Lives on the thread's stack.
pub(super) struct Worker<'a> {
    shared: &'a Arc<Shared>,
    parker: Arc<Parker>,
    /// One of the pool's own threads.
    own: bool,
    /// Counted as active: always, for the pool's own; a waiting thread from when it first has something to do with the pool.
    engaged: Cell<bool>,
    /// `None` before it is engaged, and if there are none left.
    core: Cell<Option<&'a Core>>,
    /// The task that is being polled, to compare with.
    running: Cell<*const Header>,
    /// Since the current poll began: whether anything was scheduled, and whether somebody was woken for it.
    has_scheduled: Cell<bool>,
    has_woken: Cell<bool>,
    overtakes: Cell<u32>,
    /// It has polled something since it last searched in vain: more is likely to come soon.
    has_polled: Cell<bool>,
    random: Cell<u32>,
    /// The ticks of the others' cores, when it last looked.
    looks: RefCell<Vec<Option<u32>>>,
    /// It was on watch, and has not passed that on.
    had_watch: Cell<bool>,
    marker: PhantomData<*const ()>,
}

/// What a search came to.
enum Found {
    Work(Work),
    /// Nothing. `searching`: and the thread still counts as a searcher.
    Nothing {
        searching: bool,
    },
    /// The computation that the thread waits for was woken, or the pool is closed.
    Interrupted,
}

/// How a thread got up.
enum Up {
    /// To look around, as a searcher if `searching`.
    Look { searching: bool },
    /// With the work of one who is stuck.
    With(Work),
    /// The thread is to end.
    End,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, parker: Arc<Parker>, own: bool) -> Self {
        Self {
            shared,
            own,
            engaged: Cell::new(false),
            core: Cell::new(None),
            running: Cell::new(ptr::null()),
            has_scheduled: Cell::new(false),
            has_woken: Cell::new(false),
            overtakes: Cell::new(0),
            has_polled: Cell::new(false),
            // Any odd number does; that of the parker differs between threads.
            random: Cell::new(Arc::as_ptr(&parker).addr() as u32 | 1),
            looks: RefCell::new(Vec::new()),
            had_watch: Cell::new(false),
            parker,
            marker: PhantomData,
        }
    }

    /// Runs the pool's own thread, which was counted as a searcher when it was started.
    pub(super) fn run_thread(&self) {
        self.engaged.set(true);
        self.core.set(self.shared.cores.acquire());
        self.enter(|| self.work(None, true));
    }

    /// Works until what the thread waits for is complete, or the pool is closed.
    pub(super) fn run_waiting(&self, waiting: &mut Waiting<'_>) {
        self.enter(|| self.work(Some(waiting), false));
    }

    /// Whether it works for this pool.
    pub(super) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        ptr::eq(Arc::as_ptr(self.shared), Arc::as_ptr(shared))
    }

    fn enter(&self, f: impl FnOnce()) {
        /// Puts the outer worker back, and hands over what is left. Also when `f` unwinds.
        struct Leave<'a, 'b>(&'a Worker<'b>, *const Worker<'static>);

        impl Drop for Leave<'_, '_> {
            fn drop(&mut self) {
                LOCAL.set(self.1);
                self.0.retire();
            }
        }

        let _leave = Leave(self, LOCAL.replace(ptr::from_ref(self).cast()));
        f();
    }

    // ---- Scheduling

    /// Queues a work that this thread schedules.
    #[inline]
    pub(super) fn schedule(&self, work: Work) {
        self.engage();
        let Some(core) = self.core.get() else { return self.shared.inject(work) };
        let first = !self.has_scheduled.replace(true);
        let work = if first && core.ring.len() > 0 && !ptr::eq(work.header().as_ptr(), self.running.get()) {
            // Another task, woken first by this poll: it comes next. A task that yields goes to the end.
            core.replace_next(Some(work))
        } else {
            Some(work)
        };
        if let Some(work) = work {
            self.push(core, work);
        }
        let surplus = core.ring.len() > 1 && !self.has_woken.get();
        if self.shared.idle.is_worth_waking(surplus) {
            self.has_woken.set(true);
            self.shared.wake_one(surplus);
        }
    }

    #[inline]
    fn push(&self, core: &Core, work: Work) {
        // SAFETY: this worker has acquired the core, and its thread is the only one that it works on.
        if let Err(work) = unsafe { core.ring.push(work) } {
            self.overflow(core, work);
        }
    }

    /// The ring is full: half of it goes to the injector, in one piece, and the work with it.
    #[cold]
    fn overflow(&self, core: &Core, work: Work) {
        let mut works = core.ring.split_off_front();
        works.insert(0, work);
        self.shared.injector.push_many(works);
    }

    /// Counts the thread as one that works for the pool, and gets it a core.
    #[inline]
    fn engage(&self) {
        if !self.engaged.get() {
            self.engage_now();
        }
    }

    #[cold]
    fn engage_now(&self) {
        self.engaged.set(true);
        self.shared.idle.arrive();
        self.core.set(self.shared.cores.acquire());
    }

    /// Hands over what is queued here, so that others run it.
    fn hand_over(&self) {
        let Some(core) = self.core.get() else { return };
        let mut works = Vec::new();
        loop {
            let mut front = core.ring.split_off_front();
            if front.is_empty() {
                break;
            }
            front.append(&mut works);
            works = front;
        }
        // `works` is in reverse order of its halves; those were taken front first.
        works.extend(core.take_next());
        if !works.is_empty() {
            self.shared.inject_many(works);
        }
    }

    /// The thread works no more.
    fn retire(&self) {
        if self.engaged.replace(false) {
            self.hand_over();
            if let Some(core) = self.core.take() {
                self.shared.cores.release(core);
            }
            // One of the pool's own has been counted out when it was told to end.
            if !self.own {
                self.shared.idle.leave();
            }
        }
    }

    // ---- Working

    /// The loop at the top of this file. `searching`: the thread counts as a searcher.
    fn work(&self, mut waiting: Option<&mut Waiting<'_>>, mut searching: bool) {
        loop {
            if let Some(waiting) = &mut waiting {
                if waiting.is_woken() {
                    self.end_search(searching);
                    searching = false;
                    self.begin_poll(ptr::null());
                    if waiting.poll() {
                        return;
                    }
                }
                self.engage();
                if self.core.get().is_none_or(|core| core.ticks().is_multiple_of(INJECTOR_EVERY)) {
                    sequential::run_hosted();
                }
            }
            if self.shared.is_closed() {
                self.end_search(searching);
                return;
            }
            let next = if searching { None } else { self.next() };
            let work = match next {
                Some(work) => work,
                None => match self.search(waiting.as_deref(), searching) {
                    Found::Work(work) => work,
                    Found::Interrupted => {
                        searching = false;
                        continue;
                    }
                    Found::Nothing { searching: still } => match self.sleep(waiting.as_deref(), still) {
                        Up::With(work) => work,
                        Up::Look { searching: now } => {
                            searching = now;
                            continue;
                        }
                        Up::End => return,
                    },
                },
            };
            searching = false;
            self.run(work);
        }
    }

    #[inline]
    fn begin_poll(&self, task: *const Header) -> *const Header {
        self.has_scheduled.set(false);
        self.has_woken.set(false);
        self.has_polled.set(true);
        if let Some(core) = self.core.get() {
            core.tick();
        }
        self.running.replace(task)
    }

    fn run(&self, work: Work) {
        // A task that blocks in `block_on` may run others here: they put back what was running.
        let outer = self.begin_poll(work.header().as_ptr());
        contain(|| work.run());
        self.running.set(outer);
    }

    /// The next work of its own queues.
    #[inline]
    fn next(&self) -> Option<Work> {
        let Some(core) = self.core.get() else { return self.shared.injector.pop() };
        if core.ticks().is_multiple_of(INJECTOR_EVERY)
            && let Some(work) = self.shared.injector.pop()
        {
            return Some(work);
        }
        if let Some(work) = core.take_next() {
            let overtakes = self.overtakes.get() + 1;
            if overtakes <= MOST_OVERTAKES {
                self.overtakes.set(overtakes);
                return Some(work);
            }
            self.push(core, work);
        }
        self.overtakes.set(0);
        core.ring.pop()
    }

    // ---- Searching

    /// Looks for work elsewhere.
    fn search(&self, waiting: Option<&Waiting<'_>>, searching: bool) -> Found {
        if let Some(work) = self.take_shared() {
            self.end_search(searching);
            return Found::Work(work);
        }
        if !searching && !self.shared.idle.begin_search() {
            return Found::Nothing { searching: false };
        }
        self.look();
        let spins = self.has_polled.replace(false) && !self.shared.is_single_core;
        let mut end = None;
        loop {
            if let Some(work) = self.take_shared().or_else(|| self.steal_surplus()) {
                self.end_search(true);
                return Found::Work(work);
            }
            if waiting.is_some_and(Waiting::is_woken) || self.shared.is_closed() {
                self.end_search(true);
                return Found::Interrupted;
            }
            if !spins {
                break;
            }
            let now = Instant::now();
            if now >= *end.get_or_insert(now + SPIN) {
                break;
            }
            for _ in 0..16 {
                std::hint::spin_loop();
            }
        }
        // Without a spin the last look was just now: everybody would seem stuck.
        let stuck = if spins { self.steal_stuck() } else { None };
        match stuck {
            Some(work) => {
                self.end_search(true);
                Found::Work(work)
            }
            None => Found::Nothing { searching: true },
        }
    }

    /// Ends a search. The last to do so looks whether others relied on it.
    fn end_search(&self, searching: bool) {
        if searching && self.shared.idle.end_search() {
            self.look_again();
        }
        self.pass_on_watch();
    }

    /// Wakes somebody if there is more work.
    fn look_again(&self) {
        // Pairs with the fence in `Shared::inject`: one of us sees the other.
        fence(Ordering::SeqCst);
        if self.has_reason() {
            self.shared.wake_one(true);
        }
    }

    /// Whether there is work that a searcher would take.
    fn has_reason(&self) -> bool {
        !self.shared.injector.is_empty() || self.shared.cores.iter_from(0).any(|core| core.ring.len() > 1)
    }

    /// Takes from the injector.
    fn take_shared(&self) -> Option<Work> {
        if self.shared.injector.is_empty() {
            return None;
        }
        match self.core.get() {
            // SAFETY: this worker has acquired the core, and its thread is the only one that it works on.
            Some(core) => unsafe { self.shared.injector.pop_share(&core.ring, self.shared.idle.wanted()) },
            None => self.shared.injector.pop(),
        }
    }

    fn others(&self) -> impl Iterator<Item = &'a Core> {
        // A xorshift: nothing depends on its quality.
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        let own = self.core.get().map(Core::index);
        self.shared.cores.iter_from(random as usize).filter(move |core| Some(core.index()) != own)
    }

    /// Takes half of the ring of a worker that has more than it runs next.
    fn steal_surplus(&self) -> Option<Work> {
        self.others().find_map(|core| if core.ring.len() > 1 { self.steal(core) } else { None })
    }

    fn steal(&self, core: &Core) -> Option<Work> {
        match self.core.get() {
            // SAFETY: this worker has acquired its core, and its thread is the only one that it works on. Who steals has nothing
            // left of its own: the ring is empty, and another's.
            Some(own) => unsafe { core.ring.steal(&own.ring) },
            None => core.ring.pop(),
        }
    }

    /// Remembers where the others are.
    fn look(&self) {
        let mut looks = self.looks.borrow_mut();
        for core in self.others() {
            let at = core.index();
            if looks.len() <= at {
                looks.resize(at + 1, None);
            }
            looks[at] = Some(core.ticks());
        }
    }

    /// Takes work of a worker that has been in the same poll since the last look.
    fn steal_stuck(&self) -> Option<Work> {
        let looks = self.looks.borrow();
        self.others()
            .filter(|core| core.has_any() && looks.get(core.index()) == Some(&Some(core.ticks())))
            .find_map(|core| self.steal(core).or_else(|| core.take_next()))
    }

    // ---- Sleeping

    fn sleep(&self, waiting: Option<&Waiting<'_>>, searching: bool) -> Up {
        // What the thread owes to others while it waits; a searcher does not keep others waiting for that.
        let _helper = match waiting.map(Waiting::prepare) {
            Some(None) => {
                self.end_search(searching);
                return Up::Look { searching: false };
            }
            Some(helper) => helper,
            None => None,
        };
        let idle = &self.shared.idle;
        let bed = idle.lie_down(&self.parker, searching, self.own);
        // Pairs with the fence in `Shared::inject`: who queues work sees a sleeper, or the work is seen here.
        fence(Ordering::SeqCst);
        if bed == Bed::End {
            if self.has_reason() {
                self.shared.wake_one(true);
            }
            return Up::End;
        }
        let is_interrupted = || waiting.is_some_and(Waiting::is_woken) || self.shared.is_closed();
        let interrupted = is_interrupted();
        if interrupted || (!idle.is_anybody_searching() && self.has_reason()) {
            let searching = self.get_up(bed);
            if interrupted && !searching {
                self.look_again();
            }
            return Up::Look { searching };
        }
        let mut watch = (bed == Bed::Watch).then(Watch::new);
        loop {
            let notified = match &watch {
                Some(watch) => self.parker.park_timeout(watch.nap),
                None => {
                    self.parker.park();
                    true
                }
            };
            if is_interrupted() {
                return Up::Look { searching: self.get_up(bed) };
            }
            if notified {
                // One that waits in `block_on` may have been woken to help.
                if waiting.is_some() || idle.was_woken(&self.parker) {
                    return Up::Look { searching: self.get_up(bed) };
                }
                continue;
            }
            let Some(on_watch) = &mut watch else { continue };
            let quiet = !self.have_others_moved();
            if self.is_needed(quiet) {
                let searching = self.get_up(bed);
                let work = self.steal_stuck().or_else(|| self.take_shared());
                let Some(work) = work else { return Up::Look { searching } };
                self.end_search(searching);
                return Up::With(work);
            }
            self.look();
            if !on_watch.goes_on(quiet && !idle.is_anybody_active()) && idle.end_watch(&self.parker) {
                watch = None;
            }
        }
    }

    /// Gets up. True if it was woken, and counts as a searcher.
    fn get_up(&self, bed: Bed) -> bool {
        let searching = self.shared.idle.get_up(&self.parker);
        self.had_watch.set(bed == Bed::Watch);
        if !searching {
            self.pass_on_watch();
        }
        searching
    }

    /// One who was on watch does something else now: if others sleep and work lies around, one of them takes over.
    fn pass_on_watch(&self) {
        if self.had_watch.take()
            && self.shared.idle.is_worth_waking(false)
            && self.shared.cores.iter_from(0).any(Core::has_any)
        {
            self.shared.wake_one(false);
        }
    }

    /// Whether one on watch should do something: not all are active that should be, or somebody is stuck. `quiet`: nobody
    /// has begun a poll since the last look.
    fn is_needed(&self, quiet: bool) -> bool {
        let too_few = self.shared.idle.are_too_few_active();
        if (too_few || quiet) && !self.shared.injector.is_empty() {
            return true;
        }
        let looks = self.looks.borrow();
        self.others().any(|core| {
            let stuck = looks.get(core.index()) == Some(&Some(core.ticks()));
            core.has_any() && (stuck || (too_few && core.ring.len() > 1))
        })
    }

    fn have_others_moved(&self) -> bool {
        let looks = self.looks.borrow();
        self.others().any(|core| looks.get(core.index()) != Some(&Some(core.ticks())))
    }

    /// The thread is about to block inside a poll: others run what is queued here, and another thread may take its place.
    /// False if there is none that could.
    fn block(&self) -> bool {
        self.engage();
        let others = self.shared.block(self.own);
        self.hand_over();
        others || self.shared.is_closed()
    }

    /// The thread goes on.
    fn unblock(&self) {
        self.shared.idle.unblock(self.own);
    }
}

/// The naps of one on watch: short at first, longer while nothing happens.
struct Watch {
    nap: Duration,
    /// How many looks in a row found nobody active, at the longest nap.
    quiet: u32,
}

impl Watch {
    fn new() -> Self {
        Self { nap: FIRST_LOOK, quiet: 0 }
    }

    /// After a look. False if it may end: nobody has been active for some time.
    fn goes_on(&mut self, quiet: bool) -> bool {
        let longest = self.nap >= LAST_LOOK;
        self.nap = (self.nap * 2).min(LAST_LOOK);
        self.quiet = if quiet && longest { self.quiet + 1 } else { 0 };
        self.quiet < 3
    }
}

/// While it lives, the thread's worker is blocked inside a poll.
pub(crate) struct Blocked(NonNull<Worker<'static>>);

/// Tells the worker of this thread, if there is one, that the thread is about to block inside a poll. If no other thread can
/// work for its pool, the thread works on for it instead, until `waiting` is complete; `Err` then.
pub(crate) fn block_in_place(waiting: &mut Waiting<'_>) -> Result<Option<Blocked>, ()> {
    let Some(worker) = NonNull::new(LOCAL.get().cast_mut()) else { return Ok(None) };
    // SAFETY: as in `with_local`.
    let this = unsafe { worker.as_ref() };
    if this.block() {
        return Ok(Some(Blocked(worker)));
    }
    this.unblock();
    this.work(Some(waiting), false);
    Err(())
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: as in `with_local`: this value lives further up on the stack than the worker.
        unsafe { self.0.as_ref() }.unblock();
    }
}
