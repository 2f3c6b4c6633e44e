//! What a scope promises when nothing goes wrong: parallel tasks that borrow, in all the places where scopes may stand.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_scope::{JoinError, Scope, ScopeOptions, async_block, async_fn, scope};
use runtime_glue::block_on;

struct Database {
    rows: Vec<u64>,
}

async fn async_thing(db: &Database) -> u64 {
    db.rows.iter().sum()
}

fn sync_thing(db: &Database) -> u64 {
    db.rows.len() as u64
}

#[async_fn]
async fn foo(db: &Database) -> (Result<u64, JoinError>, Result<u64, JoinError>) {
    scope!(|s| {
        let job1 = s.spawn(async_thing(db));
        let job2 = s.spawn_blocking(|| sync_thing(db));
        (job1.await, job2.await)
    })
    .await
}

#[test]
fn the_seeds_foo() {
    let db = Database { rows: (0..100).collect() };
    let (sum, rows) = block_on(foo(&db));
    assert_eq!((sum.unwrap(), rows.unwrap()), (4950, 100));
}

#[test]
fn disjoint_slots_of_one_vec() {
    let mut slots = vec![0; 1000];
    block_on(scope!(|s| {
        for (i, slot) in slots.iter_mut().enumerate() {
            s.spawn(async move { *slot = i * i });
        }
    }));
    assert!(slots.iter().enumerate().all(|(i, slot)| *slot == i * i));
}

#[async_fn(send)]
async fn tree_sum(numbers: &[u64]) -> u64 {
    if numbers.len() <= 3 {
        return numbers.iter().sum();
    }
    let (a, b) = numbers.split_at(numbers.len() / 2);
    scope!(|s| {
        let a = s.spawn(boxed_sum(a));
        let b = s.spawn(boxed_sum(b));
        a.await.unwrap() + b.await.unwrap()
    })
    .await
}

fn boxed_sum(numbers: &[u64]) -> async_scope::BoxAsync<'_, u64> {
    async_scope::BoxAsync::new(tree_sum(numbers))
}

#[test]
fn scopes_inside_spawned_tasks() {
    let numbers: Vec<u64> = (0..1000).collect();
    assert_eq!(block_on(tree_sum(&numbers)), 499_500);
}

fn helper<'s>(s: &'s Scope<'s>, counter: &'s AtomicUsize, depth: usize) {
    s.spawn(async_block! { move
        counter.fetch_add(1, SeqCst);
        if depth > 0 {
            helper(s, counter, depth - 1);
            helper(s, counter, depth - 1);
        }
    });
}

#[test]
fn the_scope_is_passed_to_helpers_and_used_in_tasks() {
    let counter = AtomicUsize::new(0);
    block_on(scope!(|s| { helper(s, &counter, 7) }));
    assert_eq!(counter.load(SeqCst), 255);
}

#[test]
fn results_borrow_the_environment() {
    let words = String::from("one two three");
    let longest = block_on(scope!(|s| {
        let tasks: Vec<_> = words.split(' ').map(|word| s.spawn(async move { word })).collect();
        let mut longest = "";
        for task in tasks {
            let word = task.await.unwrap();
            if word.len() > longest.len() {
                longest = word;
            }
        }
        longest
    }));
    assert_eq!(longest, "three");
}

#[test]
fn the_forms_of_the_macro() {
    let owned = String::from("moved");
    assert_eq!(block_on(scope!(move |_| owned.len())), 5);
    assert_eq!(block_on(scope!(|_| -> Result<u8, std::num::ParseIntError> { Ok("7".parse::<u8>()? + 1) })), Ok(8));
    let options = ScopeOptions::new().name("forms").limit(2);
    assert_eq!(block_on(scope!(options.clone(), |s| { s.tree().to_string() })), "forms\n");
    assert_eq!(block_on(scope!(options, move |_| 1)), 1);
    let early = block_on(scope!(|s| -> Option<u32> {
        let value = s.spawn(async { None::<u32> }).await.unwrap()?;
        Some(value + 1)
    }));
    assert_eq!(early, None);
}

#[test]
fn a_wrapping_macro_of_the_users() {
    macro_rules! in_scope {
        ($s:ident => $($body:tt)*) => { scope!(|$s| { $($body)* }) };
    }
    assert_eq!(block_on(in_scope!(s => s.spawn(async { 3 }).await.unwrap())), 3);
}

#[test]
fn a_scope_value_is_send_and_runs_on_any_thread() {
    let data = [1, 2, 3];
    let value = scope!(|s| { s.spawn(async { data.iter().sum::<i32>() }).await.unwrap() });
    let sum = std::thread::scope(|threads| threads.spawn(|| block_on(value)).join().unwrap());
    assert_eq!(sum, 6);
}

#[test]
fn the_limit_is_kept() {
    let (live, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    block_on(scope!(ScopeOptions::new().limit(3), |s| {
        for _ in 0..100 {
            s.reserve().await.spawn(async {
                most.fetch_max(live.fetch_add(1, SeqCst) + 1, SeqCst);
                async_trait_core::yield_now().await;
                live.fetch_sub(1, SeqCst);
            });
        }
    }));
    assert!((1..=3).contains(&most.load(SeqCst)), "{most:?}");
}

#[test]
fn hooks_run_last_in_first_out_and_owned_values_after_them() {
    let entries = std::sync::Mutex::new(Vec::new());
    let log = &entries;
    static RELEASED: std::sync::Mutex<Vec<&str>> = std::sync::Mutex::new(Vec::new());
    block_on(scope!(|s| {
        let word = s.own("owned", |word| {
            RELEASED.lock().unwrap().push(word);
            async {}
        });
        let other = s.own("later", |word| {
            RELEASED.lock().unwrap().push(word);
            async {}
        });
        s.on_exit(async move {
            assert!(RELEASED.lock().unwrap().is_empty());
            log.lock().unwrap().push(format!("first {word}"));
        });
        s.on_exit(async move {
            // A hook may spawn; its task ends before the next hook.
            s.spawn(async move { log.lock().unwrap().push(format!("task {other}")) });
            log.lock().unwrap().push("second".to_string());
        });
        s.spawn(async move { log.lock().unwrap().push("work".to_string()) });
    }));
    assert_eq!(entries.into_inner().unwrap(), ["work", "second", "task later", "first owned"]);
    assert_eq!(*RELEASED.lock().unwrap(), ["later", "owned"]);
}

#[test]
fn a_million_tasks_do_not_grow_memory() {
    let done = AtomicUsize::new(0);
    let tasks = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    block_on(scope!(ScopeOptions::new().limit(100), |s| {
        let mut early = 0;
        for i in 0..tasks {
            s.reserve().await.spawn(async { done.fetch_add(1, SeqCst) });
            if i == tasks / 10 {
                early = resident();
            }
        }
        assert!(resident() < early + (4 << 20), "{early} bytes, later {}", resident());
    }));
    assert_eq!(done.load(SeqCst), tasks);
}

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn the_tree_shows_named_scopes_below_each_other() {
    let named = |name| ScopeOptions::new().name(name);
    let tree = block_on(scope!(named("outer"), |s| {
        let inner = s.builder().name("task").spawn(async {
            scope!(named("inner"), |inner| {
                let waiting = inner.builder().name("waiting").spawn(std::future::pending::<()>());
                scope!(named("innermost"), |_| {
                    let tree = s.tree().to_string();
                    waiting.cancel();
                    tree
                })
                .await
            })
            .await
        });
        let tree = inner.await.unwrap();
        assert_eq!(s.tree().to_string(), "outer\n");
        tree
    }));
    let names: Vec<_> = tree.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["outer", "  task", "  inner", "    waiting", "    innermost"], "{tree}");
}
