//! Called by hand, the hidden macro puts no expression of the caller's into an `unsafe` block of its own.
use async_scope::ScopeOptions;

unsafe fn wrong() -> ScopeOptions {
    ScopeOptions::new()
}

fn main() {
    runtime_glue::block_on(async_scope::__scope!(@block [scope] [wrong()] [] [] s { s.cancel() }));
    runtime_glue::block_on(async_scope::__scope!(@block [local] [wrong()] [] [] s { s.cancel() }));
    runtime_glue::block_on(async_scope::__scope!(@block [futures] [wrong()] [] [] s { s.cancel() }));
    let _ = runtime_glue::block_on(async_scope::__scope!(@block [try] [wrong()] [] [] s { s.cancel(); Ok::<(), std::io::Error>(()) }));
}
