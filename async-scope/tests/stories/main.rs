//! The stories of the wg-async vision document that this project answers, each with the program of today as text and ours as a
//! test. Source: https://rust-lang.github.io/wg-async/vision/submitted_stories/status_quo.html
//!
//! Run with `cargo test -p async-scope --test stories`.

mod buffered_streams;
mod cache;
mod database;
mod deadlocks;
mod prompt;
mod select;
