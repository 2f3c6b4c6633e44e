//! std's macros in async bodies: awaits in their arguments, in order, lazily where they are lazy, and never seen by the macro.

use std::{
    cell::RefCell,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use async_trait_core::{Async, async_block, async_fn, yield_now};

mod common;
use common::run;

#[async_fn]
async fn later<T>(value: T) -> T {
    yield_now().await;
    value
}

/// Writes down in which order it is asked.
#[derive(Default)]
struct Log(RefCell<Vec<u32>>);

impl Log {
    fn now(&self, n: u32) -> u32 {
        self.0.borrow_mut().push(n);
        n
    }

    #[async_fn]
    async fn later(&self, n: u32) -> u32 {
        yield_now().await;
        self.now(n)
    }
}

fn message(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string())).unwrap()
}

#[async_fn]
async fn formats() -> Vec<String> {
    let inline = 4;
    let mut out = String::new();
    write!(out, "{}", later(1).await).unwrap();
    std::writeln!(&mut out, "{}{n}{}", later(2).await, 3, n = later(inline).await).unwrap();
    let mut buffers = [String::new()];
    write!(later(&mut buffers).await[0], "{:>1$}", later(5).await, 3).unwrap();
    write!(later(&mut buffers[0]).await, "{:?}", "unsized").unwrap();
    vec![
        out,
        later(buffers).await.concat(),
        format!("{} {inline} {:?} {:2$}", later(String::from("s")).await, later("str").await.len(), later(3).await),
        format!(concat!("{}", "{}"), later(1).await, 2),
        std::format!("nothing awaited {inline}"),
        format!("{}", format!("<{}>", later("nested").await)),
        format!("{} {}", later(3).await - 1, later(300).await as u8),
        format!("{}", later(Rc::new(1)).await),
        String::from(format!("{}", later("as an operand").await).as_str()),
    ]
}

#[test]
fn what_is_formatted() {
    assert_eq!(
        run(formats()),
        ["1243\n", "  5\"unsized\"", "s 4 3   3", "12", "nothing awaited 4", "<nested>", "2 44", "1", "as an operand"]
    );
    run(async_block! {
        print!("{}", later("").await);
        println!("{} {}", later("printed").await, 1);
        eprint!("{}", later("").await);
        eprintln!("{e}", e = later("to standard error").await);
    });
}

#[test]
fn arguments_are_computed_in_the_order_they_are_written() {
    let log = Log::default();
    let text =
        run(async_block! { format!("{}{}{}{}", log.now(1), log.later(2).await, log.later(3).await, log.now(4)) });
    assert_eq!((text.as_str(), &**log.0.borrow()), ("1234", &[1, 2, 3, 4][..]));
    log.0.borrow_mut().clear();
    let all = run(async_block! { vec![log.now(1), log.later(2).await, log.now(3)] });
    assert_eq!((all, &**log.0.borrow()), (vec![1, 2, 3], &[1, 2, 3][..]));
}

#[test]
fn vectors() {
    let all = run(
        async_block! { -> Vec<Box<dyn Fn() -> u32>> { vec![Box::new(|| 1), { let n = later(2).await; Box::new(move || n) }] } },
    );
    assert_eq!(all.iter().map(|f| f()).sum::<u32>(), 3);
    assert_eq!(run(async_block! { vec![later(1).await; later(3).await] }), [1, 1, 1]);
    assert_eq!(run(async_block! { vec![later(String::from("moved")).await].len() }), 1);
    assert_eq!(run(async_block! { alloc_free(&vec![later(1).await]) }), 1);
    // Async blocks in a macro of std are async blocks.
    let blocks = run(async_block! { vec![async { later(1).await }] });
    assert_eq!(blocks.into_iter().map(run).sum::<u32>(), 1);
    let mapped: Vec<u32> = vec![1, 2];
    let blocks = run(async_block! { vec![mapped.iter().map(|n| async move { later(*n).await }).collect::<Vec<_>>()] });
    assert_eq!(blocks.concat_run(), [1, 2]);
}

fn alloc_free(all: &[u32]) -> u32 {
    all[0]
}

trait ConcatRun<T> {
    fn concat_run(self) -> Vec<T>;
}
impl<A: Async> ConcatRun<A::Output> for Vec<Vec<A>> {
    fn concat_run(self) -> Vec<A::Output> {
        self.into_iter().flatten().map(run).collect()
    }
}

#[test]
fn matches_with_guard() {
    assert!(run(async_block! { matches!(later(Some(1)).await, Some(n) if later(n).await == 1) }));
    assert!(!run(async_block! { matches!(later(Some(1)).await, None | Some(2..)) }));
    assert!(run(async_block! { core::matches!(later(1).await, | 1 | 2,) }));
    assert!(run(async_block! { !matches!(later(1).await, 2) }));
}

#[test]
fn dbg_gives_its_values_back() {
    assert_eq!(run(async_block! { dbg!(later(1).await) + 1 }), 2);
    assert_eq!(run(async_block! { dbg!(later(1).await, 2) }), (1, 2));
}

#[test]
fn assertions_that_hold_look_at_no_message() {
    let log = Log::default();
    run(async_block! {
        assert!(log.later(1).await == 1, "{}", log.later(9).await);
        assert!(log.now(2) == 2, "{}", log.later(9).await);
        assert_eq!(log.later(3).await, log.later(3).await, "{}", log.later(9).await);
        assert_ne!(log.later(4).await, 5, "{} {}", log.later(9).await, log.now(9));
        assert!(later(true).await);
        assert_eq!(later(3).await - 1, later(1).await + 1);
        assert_eq!(later(String::from("by reference")).await, *later("by reference").await);
    });
    assert_eq!(*log.0.borrow(), [1, 2, 3, 3, 4]);
}

#[test]
fn assertions_that_fail_say_what() {
    assert_eq!(message(|| run(async_block! { assert!(later(false).await) })), "assertion failed: later_false_await");
    assert_eq!(message(|| run(async_block! { assert!(later(false).await, "no {}", later(1).await) })), "no 1");
    assert_eq!(message(|| run(async_block! { assert!(1 > 2, "no {}", later(1).await) })), "no 1");
    let text = message(|| run(async_block! { assert_eq!(later(1).await, 2, "m{}", later(3).await) }));
    assert_eq!(text, "assertion `left == right` failed: m3\n  left: 1\n right: 2");
    let text = message(|| run(async_block! { assert_ne!(2, later(2).await, "m{}", later(3).await) }));
    assert_eq!(text, "assertion `left != right` failed: m3\n  left: 2\n right: 2");
}

#[test]
fn debug_assertions_vanish_with_their_awaits() {
    let log = Log::default();
    run(async_block! {
        debug_assert!(log.later(1).await == 1, "{}", log.later(9).await);
        debug_assert_eq!(log.later(2).await, 2);
        debug_assert_ne!(log.later(3).await, 2);
    });
    assert_eq!(*log.0.borrow(), if cfg!(debug_assertions) { vec![1, 2, 3] } else { vec![] });
}

#[test]
fn panics_have_any_type() {
    #[async_fn]
    async fn number(which: u32) -> u32 {
        match which {
            0 => panic!("p{}", later(0).await),
            1 => todo!("t{}", later(1).await),
            2 => unimplemented!("u{}", later(2).await),
            3 => unreachable!("r{}", later(3).await),
            _ => {
                let _: u32 = panic!("statement {}", later(4).await);
            }
        }
    }
    let texts = [
        "p0",
        "not yet implemented: t1",
        "not implemented: u2",
        "internal error: entered unreachable code: r3",
        "statement 4",
    ];
    for (which, text) in (0..).zip(texts) {
        assert_eq!(message(|| _ = run(number(which))), text);
    }
}

#[test]
fn temporaries_of_a_last_expression_end_in_time() {
    #[async_fn]
    async fn last() -> String {
        let local = String::from("local");
        format!("{}", later(local.as_str()).await)
    }
    assert_eq!(run(last()), "local");
}

mod a_macro_of_that_name {
    use super::*;

    macro_rules! println {
        ($text:literal, $($arg:expr),*) => { [$(stringify!($arg)),*] };
    }
    macro_rules! vec {
        ($($token:tt)*) => { concat!($(stringify!($token)),*) };
    }

    #[test]
    fn gets_variables() {
        // Nothing awaited: as written.
        assert_eq!(run(async_block! { println!("", 1 + 1, text) }), ["1 + 1", "text"]);
        let seen = run(async_block! { println!("{}{}", later(1).await, 2) });
        assert_eq!(seen, ["* __awaited1", "2"]);
        assert_eq!(run(async_block! { vec![later(1).await, async { later(2).await }] }), "__awaited1,__awaited2");
    }
}

mod other_macros {
    use super::*;

    macro_rules! source {
        ($($token:tt)*) => { concat!($(stringify!($token)),*) };
    }
    macro_rules! value {
        ($e:expr) => {
            $e
        };
    }

    #[test]
    fn stay_as_written() {
        assert_eq!(run(async_block! { source!(later(1).await) }), "later(1).await");
        // A plain future may be awaited in one: the bridge is a waker as well.
        assert_eq!(run(async_block! { value!({ yield_now().await; 1 }) + value!(std::future::ready(1).await) }), 2);
    }
}
