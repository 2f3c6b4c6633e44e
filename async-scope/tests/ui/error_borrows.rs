//! Neither the error of a `try_scope!` nor the outcome of a policy borrows from the scope. Good twin: `good/error_borrows.rs`.
use async_scope::{Cancelled, policy::Collect, policy_scope, try_scope};

struct Error<'a>(Option<&'a String>);

impl From<Cancelled> for Error<'_> {
    fn from(_: Cancelled) -> Self {
        Self(None)
    }
}

fn main() {
    let failed = runtime_glue::block_on(try_scope!(|s| {
        let text = s.own(String::new(), |_| async {});
        s.spawn(async move { Err::<(), _>(Error(Some(text))) });
        Ok(())
    }));
    drop(failed);

    let outcomes = runtime_glue::block_on(policy_scope!(Collect::new(), |s| {
        let text = s.own(String::new(), |_| async {});
        s.spawn(async move { text });
    }));
    drop(outcomes);
}
