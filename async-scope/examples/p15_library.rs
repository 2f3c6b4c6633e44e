//! A library that offers borrowed async functions and async traits, static and dyn, used from two runtimes. EXPECT: "tokio 2" and "pool 2".
#![expect(missing_docs, reason = "what is public here is nobody's API")]
use async_scope::{Async, BoxAsync, async_fn, scope};
#[derive(Debug)] pub struct FetchError;
/// static dispatch: `send` so that generic callers may spawn it
pub trait Source { #[async_fn(send)] async fn get(&self, key: &str) -> Result<String, FetchError>; }
/// dyn dispatch: `boxed`
pub trait DynSource: Sync { #[async_fn(boxed)] async fn get(&self, key: &str) -> Result<String, FetchError>; }
impl<S: Source + Sync> DynSource for S { #[async_fn(boxed)] async fn get(&self, key: &str) -> Result<String, FetchError> { Source::get(self, key).await } }
pub fn fetch_all<'a, S: Source + Sync>(src: &'a S, keys: &'a [&'a str]) -> impl Async<Output = Vec<Result<String, FetchError>>> + Send + 'a {
    scope!(move |s| {
        let handles: Vec<_> = keys.iter().map(|k| s.spawn(src.get(k))).collect();
        let mut out = Vec::with_capacity(handles.len());
        for h in handles { out.push(h.await.expect("a panic ends the scope")); }
        out
    })
}
pub fn fetch_dyn<'a>(src: &'a dyn DynSource, key: &'a str) -> BoxAsync<'a, Result<String, FetchError>> { src.get(key) }
struct Mem;
impl Source for Mem { #[async_fn(send)] async fn get(&self, key: &str) -> Result<String, FetchError> { if key.is_empty() { Err(FetchError) } else { Ok(key.into()) } } }
fn main() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let n = tokio.block_on(runtime_glue::run(async_scope::async_block! { move fetch_all(&Mem, &["a", "b"]).await.len() }));
    println!("tokio {n}");
    println!("pool {}", runtime_glue::block_on(fetch_all(&Mem, &["a", "b"])).len());
    runtime_glue::block_on(fetch_dyn(&Mem, "k")).unwrap();
}
