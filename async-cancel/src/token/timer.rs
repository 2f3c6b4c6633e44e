//! Tokens and time: a token with a deadline of its own, and a grace period between the two stages of a request.
//!
//! A timer of the runtime wakes an [`Alarm`], which knows its node only until the node is freed: the node's end takes the alarm
//! its target, under the alarm's lock, which is held while a request is pushed down from there. So a token with a far deadline
//! that is dropped early leaves nothing behind.
//!
//! An alarm does not hold the runtime: it may be dropped on the runtime's own threads, which a runtime whose destructor joins
//! them would not survive.

use std::{
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use core::ptr::NonNull;

use async_trait_core::Reason;
use runtime_glue::{Runtime as _, RuntimeHandle, TimerKey};

use super::{CancellationToken, node::Node, request, special::Special, tree::Stage};
use crate::{
    contain,
    sync::{Arc, Mutex, lock},
};

/// The timer of a token. Owned by its node.
pub(super) struct Timer {
    pub(super) when: Instant,
    alarm: Arc<Alarm>,
    runtime: RuntimeHandle,
    key: TimerKey,
}

impl Timer {
    /// Cancels `target` at `when`. It is told to [`stop`](Self::stop) before the target is freed.
    pub(super) fn start(runtime: RuntimeHandle, when: Instant, target: NonNull<Node>) -> Self {
        let alarm = Arc::new(Alarm { target: Mutex::new(Some(Target(target))) });
        let key = runtime.sleep_until(when, &Waker::from(Arc::clone(&alarm)));
        Self { when, alarm, runtime, key }
    }

    /// When this returns, the alarm does not know its target any more.
    pub(super) fn stop(&self) {
        let is_set = lock(&self.alarm.target).take().is_some();
        if is_set && let Err(payload) = contain::catch(|| self.runtime.cancel_sleep(self.key)) {
            // A runtime's hook broke in the destructor of a token; it was reported when it did.
            contain::discard(payload);
        }
    }
}

struct Alarm {
    target: Mutex<Option<Target>>,
}

struct Target(NonNull<Node>);

// SAFETY: a node may be used by any thread.
unsafe impl Send for Target {}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let wakers = {
            let mut target = lock(&self.target);
            let Some(Target(node)) = target.take() else { return };
            // The target is not freed while the alarm's lock is held, in which it would be taken away first.
            request::push_down(node, Stage::Cancelled, Reason::Deadline).1
        };
        request::wake(wakers);
    }
}

/// A child of `parent` that is cancelled at `when`, counted once, for the caller.
pub(super) fn child_with_deadline(parent: NonNull<Node>, when: Instant) -> NonNull<Node> {
    let runtime = RuntimeHandle::current();
    let is_over = runtime.now() >= when;
    let special = Special::allocate(0);
    let node = special.cast();
    // SAFETY: fresh; the caller counts the parent.
    unsafe { Node::make_child(node, parent) };
    // SAFETY: counted.
    let this = unsafe { node.as_ref() };
    // SAFETY: only the caller has a handle, and it is not out yet; who asks through the tree does not look for deadlines.
    unsafe { this.set_deadline() };
    if is_over {
        request::request(node, Stage::Cancelled, Reason::Deadline);
    }
    if !this.flag.look().is_cancelled() {
        // SAFETY: it is a special node, and alive.
        let special = unsafe { Special::of(node) };
        special.set_timer(Timer::start(runtime, when, node));
    }
    node
}

/// The earliest deadline of a token and of all that it follows.
pub(super) fn deadline(token: &CancellationToken) -> Option<Instant> {
    let mut earliest: Option<Instant> = None;
    // Ancestors and sources live as long as what counts them, which is in the end the token.
    let mut nodes = std::vec![token.node];
    while let Some(node) = nodes.pop() {
        // SAFETY: see above.
        let this = unsafe { node.as_ref() };
        if !this.has_deadline() {
            continue;
        }
        this.lock_tree().for_each_special(node, |special| {
            // SAFETY: the tree says that it is special; it lives.
            let special = unsafe { Special::of(special) };
            let when = special.timer().map(|timer| timer.when);
            earliest = earliest.into_iter().chain(when).min();
            nodes.extend(special.sources());
        });
    }
    earliest
}

/// Asks to start nothing new, and after `grace` to finish.
pub(super) fn cancel_within(token: &CancellationToken, grace: Duration) {
    if grace.is_zero() {
        token.cancel();
        return;
    }
    let runtime = RuntimeHandle::current();
    let end = runtime.now().checked_add(grace);
    if let Some(when) = end
        && !token.is_cancelled()
    {
        let grace = Grace { token: Mutex::new(Some(token.clone())) };
        // It fires in any case, so the key is not needed.
        let _: TimerKey = runtime.sleep_until(when, &Waker::from(Arc::new(grace)));
    }
    token.stop();
}

/// The timer of a grace period. Keeps its token until it has fired, which is not long.
struct Grace {
    token: Mutex<Option<CancellationToken>>,
}

impl Wake for Grace {
    fn wake(self: Arc<Self>) {
        let token = lock(&self.token).take();
        if let Some(token) = token {
            token.cancel();
        }
    }
}
