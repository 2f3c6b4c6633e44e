//! The shape of a tree of tokens, and how a request is pushed down through it; all of it under the tree's lock.
//!
//! The lock is that of the root's waiters. Pushing down is a walk in pre-order (a parent before its children, the youngest child
//! first) that needs no stack and no recursion, since every node knows its parent and its siblings: a chain of any length and a
//! family of any size are the same to it. Below a node that has been asked before nothing is left to do, for a node is never
//! behind its parent.
//!
//! The walk raises flags and takes wakers out. They are called when the lock is released, so whoever wakes finds the request in
//! the whole tree. Read next: `request.rs`.

use core::ptr::{self, NonNull};

use async_trait_core::Reason;

use super::{
    list::{Found, List},
    node::{Left, Links, Node},
};
use crate::sync::MutexGuard;

/// The lock of a tree.
pub(super) struct Tree<'t> {
    root: &'t Node,
    /// Who waits at the root.
    list: MutexGuard<'t, List>,
}

/// How far a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Stopping,
    Cancelled,
}

impl<'t> Tree<'t> {
    pub(super) fn lock(root: &'t Node) -> Self {
        debug_assert!(root.is_root());
        Self { root, list: root.lock_waiters() }
    }

    /// The node behind a pointer of this tree, for as long as the lock is held.
    fn at(&self, node: NonNull<Node>) -> &Node {
        // SAFETY: the pointers that are asked for come from `Links`, or from callers who count the node: it is alive, and stays so
        // while the lock is held, as nodes are unlinked under it before they are freed.
        let node = unsafe { node.as_ref() };
        debug_assert!(ptr::eq(node.root(), self.root), "a node of another tree");
        node
    }

    fn links(&self, node: NonNull<Node>) -> &Links {
        let links = self.at(node).links.get();
        // SAFETY: links are touched only under the tree's lock, which `self` is, and only through shared references to their cells.
        unsafe { &*links }
    }

    /// Makes `child`, whose root is this tree's, the youngest child of `parent`.
    pub(super) fn link(&self, child: NonNull<Node>, parent: NonNull<Node>) {
        let links = self.links(child);
        let next = self.links(parent).children.replace(child.as_ptr());
        links.parent.set(parent.as_ptr());
        links.next.set(next);
        if let Some(next) = NonNull::new(next) {
            self.links(next).prev.set(child.as_ptr());
        }
    }

    /// Takes a node that is no root out of the tree; yields its parent, which it still counts.
    pub(super) fn unlink(&self, node: NonNull<Node>) -> NonNull<Node> {
        let links = self.links(node);
        let (prev, next) = (links.prev.get(), links.next.get());
        let parent = NonNull::new(links.parent.get()).expect("only roots have no parent");
        debug_assert!(links.children.get().is_null(), "a child counts its parent");
        self.close(parent, prev, next);
        parent
    }

    /// Lets a node that is no root lose one of two counts. If the other is that of an only child, the child takes its place.
    pub(super) fn leave(&self, node: NonNull<Node>) -> Left {
        if !self.at(node).leave_one_of_two() {
            return Left::No;
        }
        // Whoever holds the other count needs this lock to let go of the node.
        let links = self.links(node);
        let Some(child) = NonNull::new(links.children.get()) else { return Left::Yes };
        let below = self.links(child);
        // A special node does something of its own, so it stays.
        if !below.next.get().is_null() || self.at(node).is_special() {
            return Left::Yes;
        }
        // The node's count on its parent becomes the child's; the child's on the node is gone with the node.
        below.parent.set(links.parent.get());
        below.prev.set(links.prev.get());
        below.next.set(links.next.get());
        let parent = NonNull::new(links.parent.get()).expect("only roots have no parent");
        match NonNull::new(links.prev.get()) {
            Some(prev) => self.links(prev).next.set(child.as_ptr()),
            None => self.links(parent).children.set(child.as_ptr()),
        }
        if let Some(next) = NonNull::new(links.next.get()) {
            self.links(next).prev.set(child.as_ptr());
        }
        Left::Spliced
    }

    /// Closes the gap between two siblings.
    fn close(&self, parent: NonNull<Node>, prev: *mut Node, next: *mut Node) {
        match NonNull::new(prev) {
            Some(prev) => self.links(prev).next.set(next),
            None => self.links(parent).children.set(next),
        }
        if let Some(next) = NonNull::new(next) {
            self.links(next).prev.set(prev);
        }
    }

    /// Asks `top` and all below it. False if it was asked before. What waits there is found.
    ///
    /// `top` is a node of this tree that somebody counts.
    pub(super) fn push_down(&mut self, top: NonNull<Node>, stage: Stage, reason: Reason, found: &mut Found) -> bool {
        match stage {
            Stage::Stopping => self.walk::<false>(top, reason, found),
            Stage::Cancelled => self.walk::<true>(top, reason, found),
        }
    }

    fn walk<const CANCELLED: bool>(&mut self, top: NonNull<Node>, reason: Reason, found: &mut Found) -> bool {
        if !self.raise::<CANCELLED>(top, reason) {
            return false;
        }
        self.with_waiters(top, |list| take::<CANCELLED>(list, found));
        let mut node = top;
        loop {
            let mut next = self.links(node).children.get();
            node = loop {
                match NonNull::new(next) {
                    Some(below) if self.raise::<CANCELLED>(below, reason) => break below,
                    Some(done) => next = self.links(done).next.get(),
                    None if node == top => return true,
                    None => {
                        let links = self.links(node);
                        next = links.next.get();
                        node = NonNull::new(links.parent.get()).expect("`top` is above");
                    }
                }
            };
            // Below `top` there is no root.
            take::<CANCELLED>(&mut self.at(node).lock_waiters(), found);
        }
    }

    #[inline]
    fn raise<const CANCELLED: bool>(&self, node: NonNull<Node>, reason: Reason) -> bool {
        let flag = self.at(node).flag.raise();
        if CANCELLED { flag.request(reason) } else { flag.request_stop(reason) }
    }

    /// Calls `f` with `node` and its ancestors, as far as they are special.
    #[cfg(feature = "time")]
    pub(super) fn for_each_special(&self, node: NonNull<Node>, mut f: impl FnMut(NonNull<Node>)) {
        let mut next = Some(node);
        while let Some(node) = next {
            if self.at(node).is_special() {
                f(node);
            }
            next = NonNull::new(self.links(node).parent.get());
        }
    }

    /// Who waits at `node`, which is of this tree and counted by somebody.
    #[inline]
    pub(super) fn with_waiters<R>(&mut self, node: NonNull<Node>, f: impl FnOnce(&mut List) -> R) -> R {
        if ptr::eq(node.as_ptr(), self.root) { f(&mut self.list) } else { f(&mut self.at(node).lock_waiters()) }
    }
}

// Most of what is done in a walk over a large tree.
#[inline(always)]
fn take<const CANCELLED: bool>(list: &mut List, found: &mut Found) {
    if CANCELLED {
        list.take_all(found);
    } else {
        list.take_stopping(found);
    }
}
