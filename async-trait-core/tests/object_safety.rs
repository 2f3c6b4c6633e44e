//! `#[async_fn(boxed)]`: traits behind `dyn`, recursion, and lifetimes that all outlive the box.

use std::{fmt::Debug, pin::pin, rc::Rc, task::Waker};

use async_trait_core::{Async, AsyncBlock, BoxAsync, Context, LocalBoxAsync, async_block, async_fn, yield_now};

mod common;
use common::run;

#[async_fn(send)]
async fn later<T: Send>(value: T) -> T {
    yield_now().await;
    value
}

fn assert_send<T: Send>(t: T) -> T {
    t
}

trait Store<K: Debug>: Send + Sync {
    #[async_fn(boxed)]
    async fn get(&self, key: K, default: &str) -> Result<String, std::fmt::Error>;

    #[async_fn(boxed)]
    async fn borrowed(&self, other: &str) -> &str;

    #[async_fn(boxed)]
    async fn provided(&mut self, n: u32) -> u32 {
        later(n).await + 1
    }

    #[async_fn(boxed, local)]
    async fn local(&self, key: Rc<str>) -> usize;

    #[async_fn(boxed(local))]
    async fn consume(self: Box<Self>) -> usize;
}

struct Prefix<'a>(&'a str);

impl<K: Debug + Send> Store<K> for Prefix<'_> {
    #[async_fn(boxed)]
    async fn get(&self, key: K, default: &str) -> Result<String, std::fmt::Error> {
        Ok(format!("{}{:?}{default}", later(self.0).await, key))
    }

    #[async_fn(boxed)]
    async fn borrowed(&self, _: &str) -> &str {
        later(self.0).await
    }

    #[async_fn(boxed, local)]
    async fn local(&self, key: Rc<str>) -> usize {
        later(self.0).await.len() + key.len()
    }

    #[async_fn(boxed(local))]
    async fn consume(self: Box<Self>) -> usize {
        later(()).await;
        self.0.len()
    }
}

#[async_fn(send)]
async fn through_dyn(store: &dyn Store<u32>) -> String {
    let default = String::from("!");
    store.get(1, &default).await.unwrap() + store.borrowed("").await
}

#[test]
fn a_trait_behind_dyn() {
    let text = String::from("p");
    let mut prefix = Prefix(&text);
    assert_eq!(run(assert_send(through_dyn(&prefix))), "p1!p");
    let store: &mut dyn Store<u32> = &mut prefix;
    assert_eq!(run(assert_send(store.provided(1))), 2);
    assert_eq!(run(store.local("ab".into())), 3);
    let store: Box<dyn Store<u32> + '_> = Box::new(prefix);
    assert_eq!(run(store.consume()), 1);
}

#[async_fn(boxed)]
async fn fibonacci(n: u32) -> u64 {
    if n < 2 { later(u64::from(n)).await } else { fibonacci(n - 1).await + fibonacci(n - 2).await }
}

struct Tree(u32, Vec<Tree>);

#[async_fn(boxed)]
async fn sum<'t>(tree: &'t Tree, names: &mut Vec<&'t u32>) -> u32 {
    names.push(&tree.0);
    let mut total = later(tree.0).await;
    for child in &tree.1 {
        total += sum(child, names).await;
    }
    total
}

#[test]
fn recursion() {
    assert_eq!(run(assert_send(fibonacci(10))), 55);
    let tree = Tree(1, vec![Tree(2, vec![Tree(3, vec![])]), Tree(4, vec![])]);
    let mut names = Vec::new();
    assert_eq!(run(sum(&tree, &mut names)), 10);
    assert_eq!(names, [&1, &2, &3, &4]);
}

#[async_fn(boxed)]
async fn generic<T: Default + Send + Sync + Debug, const N: usize>(
    values: [&T; N],
    text: impl AsRef<str> + Send,
) -> String {
    format!("{:?}{:?}{}", later(T::default()).await, values, text.as_ref())
}

#[async_fn(boxed)]
async fn nothing_borrowed() -> &'static str {
    "nothing"
}

#[async_fn(boxed)]
async fn higher_ranked(f: &(dyn Fn(&str) -> usize + Sync), g: fn(&str) -> usize) -> usize {
    later(f("one")).await + g("two2")
}

fn keeps_the_lifetime<'a>(text: &'a str) -> BoxAsync<'a, &'a str> {
    #[async_fn(boxed)]
    async fn tail(text: &str) -> &str {
        &text[1..]
    }
    tail(text)
}

#[test]
fn generics_and_lifetimes() {
    assert_eq!(run(generic([&1u8, &2], "t")), "0[1, 2]t");
    let free: BoxAsync<'static, _> = nothing_borrowed();
    assert_eq!(run(free), "nothing");
    assert_eq!(run(higher_ranked(&str::len, str::len)), 7);
    assert_eq!(run(keeps_the_lifetime("abc")), "bc");
}

#[test]
fn a_block_can_be_boxed() {
    fn send<'a>(n: &'a u32) -> BoxAsync<'a, u32> {
        async_block! { later(*n).await }.boxed()
    }
    fn local<'a>(n: Rc<u32>) -> LocalBoxAsync<'a, u32> {
        async_block! { move later(*n).await }.boxed_local()
    }
    assert_eq!(run(async_block! { send(&1).await + local(Rc::new(2)).await }), 3);
    let all: Vec<BoxAsync<'_, u32>> =
        vec![async_block! { 1 }.boxed(), BoxAsync::new(later(2)), BoxAsync::new(std::future::ready(3))];
    assert_eq!(all.into_iter().map(run).sum::<u32>(), 6);
}

#[test]
fn async_itself_is_object_safe() {
    let block: AsyncBlock<_> = async_block! { 1 };
    let block = pin!(block);
    let object: std::pin::Pin<&mut dyn Async<Output = u32>> = block;
    // SAFETY: it is complete after this poll, since it waits for nothing.
    let polled = unsafe { object.poll_async(&mut Context::from_waker(Waker::noop())) };
    assert_eq!(polled, std::task::Poll::Ready(1));
}
