//! Procedural macros of `async-trait-core` and `runtime-glue`. Use them through those crates.
