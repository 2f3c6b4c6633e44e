//! Making a request: pushing it down through a tree, on to the trees that follow it, and waking who waits.
//!
//! A token of `any` is the root of a tree of its own, which follows the tokens that it was made of. While a request is pushed down,
//! all trees that it reaches stay locked, so it is one step for everybody else: once `cancel` has returned, on whatever thread and
//! whether or not it was the first, everything below is cancelled. Trees are locked in the order of their depth (and of their
//! addresses among equals); those that are found on the way are deeper than the one where they are found, so each next one is
//! later in that order than all that are locked.
//!
//! Foreign code (wakers, handlers) runs when all locks are released. A panic in it does not keep the others from being called.

use std::{collections::BinaryHeap, vec::Vec};

use core::{cmp::Reverse, ptr::NonNull, task::Waker};

use async_trait_core::Reason;

use super::{
    list::{Found, Wakers},
    node::Node,
    special::Forward,
    tree::{Stage, Tree},
};
use crate::contain::{self, Payload};

/// Asks `node` and everything below it; false if that had been asked before.
///
/// # Panics
/// With the first panic of a waker or handler, when all have been called; not during another panic.
pub(super) fn request(node: NonNull<Node>, stage: Stage, reason: Reason) -> bool {
    let (is_first, wakers) = push_down(node, stage, reason);
    wake(wakers);
    is_first
}

/// The part of a request that runs under locks. The caller counts `node`, or keeps it from being freed in another way.
pub(super) fn push_down(node: NonNull<Node>, stage: Stage, reason: Reason) -> (bool, Wakers) {
    // SAFETY: the caller keeps it alive.
    let this = unsafe { node.as_ref() };
    let mut found = Found::new();
    let mut tree = this.lock_tree();
    let is_first = tree.push_down(node, stage, reason, &mut found);
    let mut locked = Vec::new();
    let mut following = BinaryHeap::new();
    let mut last = None;
    loop {
        following.extend(found.forwards.drain(..).map(|slot| {
            // SAFETY: a slot that is found here is the first field of one, which is not freed before its tree is unlocked.
            let root = unsafe { Forward::target(slot) };
            // SAFETY: a tree that follows is not freed before it has unlinked its forwards, under a lock that is held here.
            let depth = unsafe { root.as_ref() }.depth();
            Reverse((depth, root))
        }));
        let Some(Reverse(next)) = following.pop() else { break };
        if last.replace(next) == Some(next) {
            continue;
        }
        let (_, root) = next;
        // SAFETY: as above; the lock under which it was found is held until the end.
        let mut tree = Tree::lock(unsafe { root.as_ref() });
        tree.push_down(root, stage, reason, &mut found);
        locked.push(tree);
    }
    drop(locked);
    drop(tree);
    (is_first, found.into_wakers())
}

/// Calls all of them.
pub(super) fn wake(wakers: Wakers) {
    let mut first: Option<Payload> = None;
    for piece in wakers.into_pieces() {
        let mut piece = piece.into_iter();
        while let Err(payload) = contain::catch(|| piece.by_ref().for_each(Waker::wake)) {
            match first {
                None => first = Some(payload),
                Some(_) => contain::discard(payload),
            }
        }
    }
    if let Some(payload) = first {
        if std::thread::panicking() {
            // It was reported when it began; a second unwinding would end the program.
            contain::discard(payload);
        } else {
            std::panic::resume_unwind(payload);
        }
    }
}
