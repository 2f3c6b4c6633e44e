//! The crates in `crates/`: other editions, other names, other ways to the macros. That they compile is the better part of it.

use std::sync::Mutex;

mod common;
use common::run;

#[test]
fn edition_2021_under_another_name() {
    use test_caller_2021::*;
    assert_eq!(run(shapes((1, 3), "4", 5, 0, 0)), Ok(13));
    assert_eq!(run(elided(&[1], "")), Some(&1));
    assert_eq!(run(send(&Mutex::new(3))), 3);
    assert_eq!(run(boxed(2, &"x")), "x12");
    assert_eq!(run(cancellable(1)), Ok(1));
    let mut prefix = Prefix("p".into());
    assert_eq!(run(prefix.size("key")), 4);
    assert_eq!(run(prefix.boxed_get("key")).unwrap(), "pkey");
    run(prefix.unused(String::new()));
    assert_eq!(run(prefix.into_len(2)), 3);
    assert_eq!(run(blocks("text", &mut vec![2])), 2 + 3 + 1);
    assert_eq!(run(last_expression()), 10);
}

#[test]
fn edition_2018() {
    use test_caller_2018::*;
    assert_eq!(run(first(&[1, 2], "")), Some(&1));
    assert_eq!(run(block()), 2);
    let payload = std::panic::catch_unwind(|| run(panics(7))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7u32));
}

#[test]
fn through_a_facade_only() {
    use test_caller_transitive::*;
    assert_eq!(run(add(1, &2)), 3);
    assert_eq!(run(boxed(3)), 3);
    assert_eq!(run(defined(2)), 4);
    assert_eq!(run(reordered(2)), 3);
    assert_eq!(run(block(&1)), Ok(6));
}
