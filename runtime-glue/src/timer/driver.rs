//! The timer of the process: wheels behind locks, and the thread that turns them, which the first timer starts.
//!
//! Threads set timers in wheels of their own choice, so that they do not wait for each other. The timer's thread sleeps until the
//! earliest deadline that it knows of, published in `wakes_at`; who sets an earlier one wakes it.
//!
//! No timer is overlooked: before it looks through the wheels the thread publishes that it knows of none, and whoever sets a
//! timer then, in a wheel that was looked through already, publishes its deadline and wakes it.
//!
//! If the thread cannot be started, threads that wait in `block_on` turn the wheels meanwhile, and each new timer tries again.

use std::{
    cell::Cell,
    sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, atomic},
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use atomic::{AtomicU32, AtomicU64, Ordering};

use super::{
    TimerKey,
    wheel::{Key, LAST, MOST, Wheel},
};
use crate::{contain::contain, parker::Parker, pool};

/// Nanoseconds in a tick, as a power of two: 65.5 microseconds.
const TICK_BITS: u32 = 16;
/// The most ticks, as a power of two, by which a distant deadline is late: 1.05 milliseconds.
const SLACK: u32 = 4;
/// How many steps are made, and wakers collected, under a lock at once.
const BATCH: usize = 64;
/// The numbers of wheels have six bits in a key.
const MOST_WHEELS: usize = 64;

static DRIVER: LazyLock<Driver> = LazyLock::new(|| Driver::new(thread::available_parallelism().map_or(1, usize::from)));

/// Wakes `waker` at `when` or soon after.
pub(crate) fn register(when: Instant, waker: &Waker) -> TimerKey {
    let driver = &*DRIVER;
    let key = driver.insert(when, waker.clone());
    driver.attend();
    key
}

/// Takes a timer back, unless it is past.
pub(crate) fn cancel(key: TimerKey) {
    // The waker is dropped here: it is foreign, and the lock is not held any more.
    drop(DRIVER.remove(key));
}

/// If the timers have no thread: how long until the next is due, for a thread that is about to sleep and could do it.
pub(crate) fn unattended() -> Option<Duration> {
    if IS_UNATTENDED.load(Ordering::Relaxed) { Some(DRIVER.next_turn()) } else { None }
}

/// If the timers have no thread: wakes those that are due. Whether there were any.
pub(crate) fn help() -> bool {
    IS_UNATTENDED.load(Ordering::Relaxed) && DRIVER.turn()
}

/// The thread of the timer could not be started.
static IS_UNATTENDED: atomic::AtomicBool = atomic::AtomicBool::new(false);

struct Driver {
    /// Tick 0.
    start: Instant,
    wheels: Box<[Padded]>,
    /// The tick at which the thread will look again at the latest. 0 before it has begun.
    wakes_at: AtomicU64,
    thread: OnceLock<Arc<Parker>>,
    /// Held while the thread is being started.
    starting: Mutex<bool>,
    is_attended: atomic::AtomicBool,
}

/// Wheels of different threads share no cache line.
#[repr(align(128))]
struct Padded(Mutex<Wheel<Waker>>);

impl Padded {
    fn lock(&self) -> MutexGuard<'_, Wheel<Waker>> {
        // Nothing foreign runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver {
    fn new(threads: usize) -> Self {
        let wheels = threads.next_power_of_two().min(MOST_WHEELS);
        Self {
            start: Instant::now(),
            wheels: (0..wheels).map(|_| Padded(Mutex::new(Wheel::new()))).collect(),
            wakes_at: AtomicU64::new(0),
            thread: OnceLock::new(),
            starting: Mutex::new(false),
            is_attended: atomic::AtomicBool::new(false),
        }
    }

    /// The tick that `when` is in, or, `up`, the first that is not before it.
    fn tick(&self, when: Instant, up: bool) -> u64 {
        let nanos = when.saturating_duration_since(self.start).as_nanos();
        let more = if up { (1 << TICK_BITS) - 1 } else { 0 };
        u64::try_from((nanos + more) >> TICK_BITS).map_or(LAST, |tick| tick.min(LAST))
    }

    fn now(&self) -> u64 {
        self.tick(Instant::now(), false)
    }

    fn insert(&self, when: Instant, waker: Waker) -> TimerKey {
        let wanted = self.tick(when, true);
        let first = own_wheel() as usize;
        for at in 0..self.wheels.len() {
            // There are a power of two.
            let number = (first + at) & (self.wheels.len() - 1);
            let mut wheel = self.wheels[number].lock();
            if wheel.is_empty() {
                // The thread may have slept for long.
                wheel.set_now(self.now());
            }
            if wheel.has_room() {
                let (key, deadline) = wheel.insert(wanted, SLACK, waker);
                drop(wheel);
                self.wake_thread_for(deadline);
                return encode(number, key);
            }
            // Some ten million timers: another wheel.
        }
        panic!("more than {} timers in each of {} wheels", MOST, self.wheels.len());
    }

    fn wake_thread_for(&self, deadline: u64) {
        if deadline < self.wakes_at.load(Ordering::Relaxed)
            && deadline < self.wakes_at.fetch_min(deadline, Ordering::Relaxed)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn remove(&self, key: TimerKey) -> Option<Waker> {
        let (number, key) = decode(key);
        self.wheels.get(number)?.lock().remove(key)
    }

    /// Wakes those that are due; whether there were any.
    fn turn(&self) -> bool {
        let mut past = Vec::new();
        let mut any = false;
        for wheel in &self.wheels {
            loop {
                let now = self.now();
                let again = wheel.lock().turn(now, &mut past, BATCH);
                any |= !past.is_empty();
                pool::in_one_piece(|| {
                    for waker in past.drain(..) {
                        contain(|| waker.wake());
                    }
                });
                if !again {
                    break;
                }
            }
        }
        any
    }

    /// How long until the next turn.
    fn next_turn(&self) -> Duration {
        self.until(self.wheels.iter().filter_map(|wheel| wheel.lock().next_turn()).min().unwrap_or(u64::MAX))
    }

    fn until(&self, tick: u64) -> Duration {
        if tick > LAST {
            return Duration::MAX;
        }
        // `LAST` ticks are just below 2^64 nanoseconds.
        Duration::from_nanos(tick << TICK_BITS).saturating_sub(self.start.elapsed())
    }

    /// Sees to it that the timers have a thread.
    fn attend(&'static self) {
        if !self.is_attended.load(Ordering::Relaxed) {
            self.start_thread();
        }
    }

    #[cold]
    fn start_thread(&'static self) {
        let mut started = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if *started {
            return;
        }
        *started = thread::Builder::new().name("timer".to_owned()).spawn(|| self.run()).is_ok();
        self.is_attended.store(*started, Ordering::Relaxed);
        IS_UNATTENDED.store(!*started, Ordering::Relaxed);
    }

    /// The thread.
    fn run(&self) {
        let parker = Parker::current();
        let _ = self.thread.set(Arc::clone(&parker));
        loop {
            // In this order: who sets a timer after its wheel was looked through sees this or what is published below.
            self.wakes_at.store(u64::MAX, Ordering::Relaxed);
            self.turn();
            let next = self.wheels.iter().filter_map(|wheel| wheel.lock().next_turn()).min().unwrap_or(u64::MAX);
            let next = next.min(self.wakes_at.fetch_min(next, Ordering::Relaxed));
            match self.until(next) {
                Duration::MAX => parker.park(),
                Duration::ZERO => {}
                left => {
                    parker.park_timeout(left);
                }
            }
        }
    }
}

/// The wheel in which this thread sets its timers, modulo their number.
fn own_wheel() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static OWN: Cell<Option<u32>> = const { Cell::new(None) };
    }
    OWN.get().unwrap_or_else(|| {
        let own = NEXT.fetch_add(1, Ordering::Relaxed);
        OWN.set(Some(own));
        own
    })
}

/// ```text
/// bits  0..26   the entry
/// bits 26..32   the wheel
/// bits 32..64   the serial
/// ```
fn encode(wheel: usize, key: Key) -> TimerKey {
    TimerKey::new(u64::from(key.serial) << 32 | (wheel as u64) << 26 | u64::from(key.index))
}

fn decode(key: TimerKey) -> (usize, Key) {
    let key = key.get();
    let (index, serial) = (key as u32 & (MOST - 1), (key >> 32) as u32);
    ((key >> 26) as usize % MOST_WHEELS, Key { index, serial })
}
