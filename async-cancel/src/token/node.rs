//! A node of a tree of tokens: what a `CancellationToken` points at, how it is counted and how it is let go.
//!
//! # Who may touch what
//! - `flag` is raised under the tree's lock and read by anybody: to see whether a token is cancelled is one load, also for a
//!   descendant of the one that was cancelled, since a request is pushed down when it is made.
//! - `links` (parent, siblings, children) belong to the tree's lock, which is the lock of the root's waiters; see `tree.rs`.
//! - `waiters` is the list of who waits at this node. Locks are taken in this order: trees, older before newer, then the waiters
//!   of one node.
//! - `refs` counts handles, and one for each child.
//!
//! # Why nothing is freed too early
//! - A child counts its parent, so ancestors, and the root where the lock lives, outlive it.
//! - Who finds that its count is the only one is alone with the node: there is no other handle to clone, no child, and the tree
//!   reaches a linked node only under the lock, under which it is unlinked before it is freed.
//! - Whoever lets go of the lock still holds a count on the root: through a handle, through a node that it has unlinked and not
//!   yet freed, or one taken for the purpose.
//!
//! # What is left behind
//! A node without handles that has one child left can only pass requests on, so it is spliced out: the child takes its place.
//! Chains without handles therefore never grow, nor do they fall like dominoes. What is left of them is let go by a loop.

use std::{boxed::Box, vec::Vec};

use core::{
    cell::Cell,
    ptr::{self, NonNull},
};

use async_trait_core::Reason;

use super::{
    list::{List, Wants},
    special::Special,
    tree::Tree,
};
use crate::sync::{AtomicBool, AtomicU32, Flag, LockedCell, Mutex, MutexGuard, Ordering, fence, lock};

pub(super) struct Node {
    refs: AtomicU32,
    /// This is the first field of a [`Special`], and was allocated as one.
    is_special: bool,
    /// This token, or one that it follows, has a deadline. Written before the node is shared.
    #[cfg(feature = "time")]
    has_deadline: Cell<bool>,
    /// A hint: who drops one of two counts of a node that never had children need not look for one to splice.
    had_children: AtomicBool,
    pub(super) flag: Flag,
    /// The root of the tree; the node itself in a root. Written once, before the node is shared.
    root: Cell<NonNull<Node>>,
    /// Only touched through [`Tree`].
    pub(super) links: LockedCell<Links>,
    waiters: Mutex<List>,
}

/// Where a node stands in its tree. Pointers lead to linked nodes of the same tree, or are null.
pub(super) struct Links {
    pub(super) parent: Cell<*mut Node>,
    pub(super) prev: Cell<*mut Node>,
    pub(super) next: Cell<*mut Node>,
    /// The youngest.
    pub(super) children: Cell<*mut Node>,
}

// SAFETY: `refs`, `flag` and `waiters` are for any thread; `root`, `is_special` and `has_deadline` are only read once the node is shared; `links` are
// touched only under the tree's lock.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    pub(super) fn new(is_special: bool) -> Self {
        Self {
            refs: AtomicU32::new(1),
            is_special,
            #[cfg(feature = "time")]
            has_deadline: Cell::new(false),
            had_children: AtomicBool::new(false),
            flag: Flag::new(),
            root: Cell::new(NonNull::dangling()),
            links: LockedCell::new(Links {
                parent: Cell::new(ptr::null_mut()),
                prev: Cell::new(ptr::null_mut()),
                next: Cell::new(ptr::null_mut()),
                children: Cell::new(ptr::null_mut()),
            }),
            waiters: Mutex::new(List::new()),
        }
    }

    /// A node of its own on the heap, counted once, for the caller, who makes it a root or a child next.
    pub(super) fn allocate() -> NonNull<Self> {
        NonNull::from(Box::leak(Box::new(Self::new(false))))
    }

    /// Makes a fresh node a root.
    ///
    /// # Safety
    /// `fresh` is allocated, neither root nor child, and not shared.
    pub(super) unsafe fn make_root(fresh: NonNull<Self>) {
        // SAFETY: passed on to the caller.
        unsafe { fresh.as_ref() }.root.set(fresh);
    }

    /// Makes a fresh node a child of `parent`; it has seen then what was asked of the parent.
    ///
    /// # Safety
    /// As for [`make_root`](Self::make_root), and the caller holds a count of `parent`.
    pub(super) unsafe fn make_child(fresh: NonNull<Self>, parent: NonNull<Self>) {
        // SAFETY: passed on to the caller.
        let child = unsafe { fresh.as_ref() };
        // SAFETY: the caller's count keeps it.
        let above = unsafe { parent.as_ref() };
        child.root.set(above.root.get());
        #[cfg(feature = "time")]
        child.has_deadline.set(above.has_deadline.get());
        above.count();
        above.had_children.store(true, Ordering::Relaxed);
        let tree = above.lock_tree();
        // A request that reached the parent before this has passed the child by.
        if let Some(reason) = above.flag.look().reason() {
            if above.flag.look().is_cancelled() {
                child.flag.raise().request(reason);
            } else {
                child.flag.raise().request_stop(reason);
            }
        }
        tree.link(fresh, parent);
    }

    /// One count more.
    #[inline]
    pub(super) fn count(&self) {
        // Relaxed: who counts has a count already. Half the range is left for what other threads add before this aborts.
        if self.refs.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 {
            std::process::abort();
        }
    }

    #[inline]
    pub(super) fn is_root(&self) -> bool {
        ptr::eq(self.root.get().as_ptr(), self)
    }

    pub(super) fn is_special(&self) -> bool {
        self.is_special
    }

    #[cfg(feature = "time")]
    pub(super) fn has_deadline(&self) -> bool {
        self.has_deadline.get()
    }

    /// # Safety
    /// The node is not shared yet.
    #[cfg(feature = "time")]
    pub(super) unsafe fn set_deadline(&self) {
        self.has_deadline.set(true);
    }

    pub(super) fn root(&self) -> &Self {
        // SAFETY: a node counts its parent, so its root lives as long as it does.
        unsafe { self.root.get().as_ref() }
    }

    pub(super) fn lock_tree(&self) -> Tree<'_> {
        Tree::lock(self.root())
    }

    /// Who waits here. For a root this is its tree's lock.
    pub(super) fn lock_waiters(&self) -> MutexGuard<'_, List> {
        lock(&self.waiters)
    }

    #[inline]
    pub(super) fn has_reached(&self, wants: Wants) -> bool {
        match wants {
            Wants::Stopping => self.flag.look().is_stopping(),
            Wants::Cancelled | Wants::Forward => self.flag.look().is_cancelled(),
        }
    }

    /// The order in which trees are locked: one that others pass requests on to is deeper than they are.
    pub(super) fn depth(&self) -> u32 {
        let root = self.root.get();
        if !self.root().is_special {
            return 0;
        }
        // SAFETY: `is_special` says that it is the first field of a `Special`, and the root lives.
        unsafe { Special::of(root) }.depth()
    }

    /// The reason of a request to finish.
    pub(super) fn cancel_reason(&self) -> Option<Reason> {
        if self.flag.look().is_cancelled() { self.flag.look().reason() } else { None }
    }
}

/// Lets a handle of `node` go, and with it all that nobody can reach any more.
///
/// # Safety
/// The caller owns one count of `node` and gives it up.
#[inline]
pub(super) unsafe fn release(node: NonNull<Node>) {
    // Special nodes hold handles of other trees: a list, lest a chain of trees becomes a recursion.
    let mut handles = Vec::new();
    // SAFETY: passed on to the caller.
    unsafe { release_one(node, &mut handles) };
    while let Some(handle) = handles.pop() {
        // SAFETY: a special node owned this count, and gave it to the list.
        unsafe { release_one(handle, &mut handles) };
    }
}

/// # Safety
/// As for [`release`].
unsafe fn release_one(mut node: NonNull<Node>, handles: &mut Vec<NonNull<Node>>) {
    loop {
        // SAFETY: the count that is to be given up keeps it alive.
        let this = unsafe { node.as_ref() };
        if this.is_root() {
            // SAFETY: passed on to the caller.
            return unsafe { release_root(node, handles) };
        }
        // Acquire pairs with the Release of those who gave up a count: who is left alone sees what they did.
        let refs = this.refs.load(Ordering::Acquire);
        if refs == 1 {
            let parent = this.lock_tree().unlink(node);
            // SAFETY: it is unlinked, and has neither handles nor children. Its count on its parent is given up in the next round;
            // until here it kept the root, whose lock was let go.
            unsafe { free(node, handles) };
            node = parent;
        } else if refs == 2 && this.had_children.load(Ordering::Relaxed) {
            let root = this.root.get();
            // For the time after this node's count is given up, when the lock is let go.
            this.root().count();
            let is_given_up = this.lock_tree().leave(node);
            if is_given_up == Left::Spliced {
                // SAFETY: it is unlinked, and has neither handles nor a child that counts it.
                unsafe { free(node, handles) };
            }
            // SAFETY: the count taken above.
            unsafe { release_root(root, handles) };
            if is_given_up != Left::No {
                return;
            }
        } else if this.refs.compare_exchange(refs, refs - 1, Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
    }
}

/// What became of an attempt to give up one of two counts.
#[derive(PartialEq, Eq)]
pub(super) enum Left {
    /// There are no longer two.
    No,
    Yes,
    /// The other was that of an only child, which has taken the node's place.
    Spliced,
}

impl Node {
    /// Gives up one of two counts, unless there are no longer two. If it is given up, the node lives on for as long as the tree's
    /// lock is held.
    pub(super) fn leave_one_of_two(&self) -> bool {
        // AcqRel: as Release for the one that gives up, and as Acquire for a splice that frees.
        self.refs.compare_exchange(2, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// # Safety
/// As for [`release`], of a root.
unsafe fn release_root(root: NonNull<Node>, handles: &mut Vec<NonNull<Node>>) {
    // SAFETY: the count that is to be given up keeps it alive.
    let this = unsafe { root.as_ref() };
    // Release pairs with the fence: what was done with the node is done before it is freed.
    if this.refs.fetch_sub(1, Ordering::Release) == 1 {
        fence(Ordering::Acquire);
        // SAFETY: the last count of a root is gone: it has neither handles nor children, and nobody holds its lock.
        unsafe { free(root, handles) };
    }
}

/// # Safety
/// Nobody else can reach `node` any more.
unsafe fn free(node: NonNull<Node>, handles: &mut Vec<NonNull<Node>>) {
    // SAFETY: it is alive until here.
    if unsafe { node.as_ref() }.is_special {
        // SAFETY: `is_special` says so; passed on to the caller.
        return unsafe { Special::free(node.cast(), handles) };
    }
    // SAFETY: it came from `allocate`, and nobody else can reach it.
    drop(unsafe { Box::from_raw(node.as_ptr()) });
}
