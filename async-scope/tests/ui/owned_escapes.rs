//! A reference to an owned value does not leave the scope, and is not held by another owned value or a release, which would be
//! there after it was released. Good twin: `good/owned_escapes.rs`.
use async_scope::scope;
use std::sync::Mutex;

static KEPT: Mutex<Option<&'static String>> = Mutex::new(None);

fn main() {
    let returned = runtime_glue::block_on(scope!(|s| s.own(String::new(), |_| async {})));
    drop(returned);

    let mut variable = None;
    runtime_glue::block_on(scope!(|s| {
        variable = Some(s.own(String::new(), |_| async {}));
    }));
    drop(variable);

    runtime_glue::block_on(scope!(|s| {
        *KEPT.lock().unwrap() = Some(s.own(String::new(), |_| async {}));
    }));

    // By another owned value.
    runtime_glue::block_on(scope!(|s| {
        let first = s.own(String::new(), |_| async {});
        s.own(Mutex::new(first), |_| async {});
    }));

    // By the closure of a release.
    runtime_glue::block_on(scope!(|s| {
        let first = s.own(String::new(), |_| async {});
        s.own(1, move |_| {
            println!("{first}");
            async {}
        });
    }));

    // By its async.
    runtime_glue::block_on(scope!(|s| {
        let first = s.own(String::new(), |_| async {});
        s.own(2, move |_| async move { println!("{first}") });
    }));

    // Nor is the scope itself, whose tasks would start when it has ended.
    runtime_glue::block_on(scope!(|s| {
        s.own(3, move |_| async move {
            s.spawn(async {});
        });
    }));
}
