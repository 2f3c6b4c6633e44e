//! Hostile surroundings: everything foreign that a scope meets (runtimes, executors, wakers, destructors, payloads of panics)
//! does its worst here, and still every task has ended when the scope does, the data is right, and memory is sound. Meant to
//! be run under AddressSanitizer as well.
//!
//! Begin with `kit.rs`.

mod breach;
mod cancel;
mod drop_order;
mod handles;
mod kit;
mod limits;
mod local;
mod owned;
mod panics;
mod parent;
mod product;
mod runtimes;
mod streams;
mod threads;
mod worlds;
