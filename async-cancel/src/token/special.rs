//! Nodes that do something of their own: the root of an `any` token, which follows others, and a token with a deadline.

use std::{boxed::Box, vec::Vec};

use core::{pin::Pin, ptr::NonNull};

use super::{
    list::{Slot, Wants},
    node::Node,
    request::request,
    tree::Stage,
};

/// A node and what it does. Allocated as a whole; everybody else sees the node.
#[repr(C)]
pub(super) struct Special {
    node: Node,
    /// See [`Node::depth`].
    depth: u32,
    /// Whom a root follows.
    sources: Vec<Pin<Box<Forward>>>,
    /// What cancels it when its time has come.
    #[cfg(feature = "time")]
    timer: std::sync::OnceLock<super::timer::Timer>,
}

impl Special {
    pub(super) fn allocate(depth: u32) -> NonNull<Self> {
        let node = Node::new(true);
        NonNull::from(Box::leak(Box::new(Self {
            node,
            depth,
            sources: Vec::new(),
            #[cfg(feature = "time")]
            timer: std::sync::OnceLock::new(),
        })))
    }

    /// The special node that `node` is the first field of.
    ///
    /// # Safety
    /// It is one, and lives for `'a`; `node` was made from the pointer to the whole, and its other fields are not being changed.
    pub(super) unsafe fn of<'a>(node: NonNull<Node>) -> &'a Self {
        // SAFETY: `repr(C)` puts the node first; the rest is passed on to the caller.
        unsafe { node.cast().as_ref() }
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Whom it follows.
    #[cfg(feature = "time")]
    pub(super) fn sources(&self) -> impl Iterator<Item = NonNull<Node>> {
        self.sources.iter().map(|forward| forward.source)
    }

    #[cfg(feature = "time")]
    pub(super) fn timer(&self) -> Option<&super::timer::Timer> {
        self.timer.get()
    }

    #[cfg(feature = "time")]
    pub(super) fn set_timer(&self, timer: super::timer::Timer) {
        assert!(self.timer.set(timer).is_ok(), "a token has one timer");
    }

    /// Frees it, handing out the counts that it holds in other trees.
    ///
    /// # Safety
    /// Nobody else can reach the node but those that it knows of itself: the forwards and the timer.
    pub(super) unsafe fn free(this: NonNull<Self>, handles: &mut Vec<NonNull<Node>>) {
        // SAFETY: it is alive until its box is dropped below.
        let special = unsafe { this.as_ref() };
        for forward in &special.sources {
            forward.as_ref().stop();
            handles.push(forward.source);
        }
        #[cfg(feature = "time")]
        if let Some(timer) = special.timer.get() {
            timer.stop();
        }
        // SAFETY: it came from `allocate`; the forwards and the timer no longer know it, and nobody else can reach it.
        drop(unsafe { Box::from_raw(this.as_ptr()) });
    }
}

/// Passes the requests of one token on to a tree.
#[repr(C)]
pub(super) struct Forward {
    slot: Slot,
    /// Counted by this.
    source: NonNull<Node>,
    /// The root of the tree that follows; alive while the forward is linked, and until the lock is released under which it was
    /// found linked.
    target: NonNull<Node>,
}

// SAFETY: the slot and the nodes may be used by any thread.
unsafe impl Send for Forward {}
// SAFETY: as above.
unsafe impl Sync for Forward {}

impl Forward {
    /// The tree that a slot passes requests on to.
    ///
    /// # Safety
    /// `slot` is the first field of a `Forward` that is linked, or was when the lock was taken that is still held.
    pub(super) unsafe fn target(slot: *const Slot) -> NonNull<Node> {
        // SAFETY: `repr(C)` puts the slot first; the rest is passed on to the caller.
        unsafe { (*slot.cast::<Self>()).target }
    }

    /// Begins to pass on what is asked from now on.
    fn start(self: Pin<&Self>) {
        let this = self.get_ref();
        // SAFETY: counted.
        let source = unsafe { this.source.as_ref() };
        let mut list = source.lock_waiters();
        if !source.flag.look().is_cancelled() {
            // SAFETY: it is pinned, used with the source's list only, and `stop` removes it before it is dropped.
            let waker = unsafe { list.insert(&this.slot, Wants::Forward, None) };
            debug_assert!(waker.is_none(), "a forward has no waker");
        }
    }

    /// Passes on no more: when this returns, nobody will use `target` through it.
    fn stop(self: Pin<&Self>) {
        let this = self.get_ref();
        // SAFETY: counted.
        let source = unsafe { this.source.as_ref() };
        // Who has found the forward uses its target until it releases this lock.
        let mut tree = source.lock_tree();
        tree.with_waiters(this.source, |list| {
            // SAFETY: the slot is used with the source's list only.
            let waker = unsafe { list.remove(&this.slot) };
            debug_assert!(waker.is_none(), "a forward has no waker");
        });
    }
}

/// A root that follows `sources`, counted once, for the caller. The counts of the sources are taken over.
pub(super) fn follow(sources: Vec<NonNull<Node>>) -> NonNull<Node> {
    let depth = sources.iter().map(|source| {
        // SAFETY: counted.
        unsafe { source.as_ref() }.depth()
    });
    let depth = depth.max().map_or(0, |depth| depth.saturating_add(1));
    let whole = Special::allocate(depth);
    let root: NonNull<Node> = whole.cast();
    // SAFETY: fresh.
    unsafe { Node::make_root(root) };
    let forwards = sources.into_iter().map(|source| Box::pin(Forward { slot: Slot::new(), source, target: root }));
    let forwards = forwards.collect();
    // SAFETY: fresh, and not shared before a forward is started.
    unsafe { (*whole.as_ptr()).sources = forwards };
    // SAFETY: alive, and from here on none of its fields changes but the node's.
    let sources = unsafe { &(*whole.as_ptr()).sources };
    for forward in sources {
        forward.as_ref().start();
        // SAFETY: counted by the forward.
        let flag = unsafe { forward.source.as_ref() }.flag.look();
        // What came before the start was not passed on; what came after was, and then this changes nothing.
        let stage = if flag.is_cancelled() { Stage::Cancelled } else { Stage::Stopping };
        if let Some(reason) = flag.reason() {
            request(root, stage, reason);
        }
    }
    #[cfg(feature = "time")]
    for forward in sources {
        // SAFETY: counted by the forward.
        if unsafe { forward.source.as_ref() }.has_deadline() {
            // SAFETY: counted by the caller.
            let root = unsafe { root.as_ref() };
            // SAFETY: only the caller has a handle, and it is not out yet; who asks through a forward does not look for deadlines.
            unsafe { root.set_deadline() };
        }
    }
    root
}
