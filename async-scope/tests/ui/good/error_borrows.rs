use async_scope::{Cancelled, policy::{Collect, Outcome}, policy_scope, try_scope};

#[derive(Debug, PartialEq)]
struct Error<'a>(Option<&'a String>);

impl From<Cancelled> for Error<'_> {
    fn from(_: Cancelled) -> Self {
        Self(None)
    }
}

fn main() {
    let text = String::from("outlives the scope");
    let failed = runtime_glue::block_on(try_scope!(|s| {
        s.spawn(async { Err::<(), _>(Error(Some(&text))) });
        Ok(())
    }));
    assert_eq!(failed, Err(Error(Some(&text))));

    let outcomes = runtime_glue::block_on(policy_scope!(Collect::new(), |s| {
        s.spawn(async { &text });
    }));
    assert_eq!(outcomes, [Outcome::Done(&text)]);
}
