//! `#[async_fn]`: every shape of function.

use std::{error::Error, fmt::Display, ops::ControlFlow, pin::Pin, sync::Arc};

use async_trait_core::{Async, AsyncBlock, async_block, async_fn, plain, ready, yield_now};

mod common;
use common::run;

/// Pending once, then `n`; no `Future`.
#[async_fn]
async fn later<T>(value: T) -> T {
    yield_now().await;
    value
}

fn assert_send<T: Send>(t: T) -> T {
    t
}

mod free_functions {
    use super::*;

    #[async_fn]
    async fn no_output() {
        later(()).await;
    }

    #[async_fn]
    async fn add(a: u32, b: &u32) -> u32 {
        later(a).await + *b
    }

    #[async_fn(send)]
    async fn generic<T, U, const N: usize>(t: T, u: U) -> [T; N]
    where
        T: Copy + Send,
        U: Into<T> + Send,
    {
        let mut all = [later(t).await; N];
        all[0] = later(u.into()).await;
        all
    }

    #[async_fn]
    async fn impl_arguments(text: impl AsRef<str>, f: impl Fn(&str) -> usize) -> usize {
        f(later(text).await.as_ref())
    }

    #[async_fn]
    async fn impl_output(n: u32) -> impl Display + Clone {
        later(n).await
    }

    #[async_fn]
    async fn impl_in_output(n: u32) -> Result<impl Display, std::num::ParseIntError> {
        let m: u32 = "1".parse()?;
        Ok(later(n + m).await)
    }

    #[async_fn]
    async fn two_lifetimes<'a, 'b>(a: &'a str, b: &'b str) -> (&'a str, &'b str) {
        later((a, b)).await
    }

    #[async_fn]
    async fn elided(text: &str, _: usize) -> &str {
        later(&text[1..]).await
    }

    struct Holder<'a>(&'a str);

    #[async_fn]
    async fn hidden_lifetime(holder: Holder<'_>) -> &str {
        later(holder.0).await
    }

    #[async_fn]
    async fn patterns((a, [b, c]): (u32, [u32; 2]), mut d: u32, ref e: u32, f @ (_, _): (u32, u32)) -> u32 {
        d += later(a + b + c).await;
        d + *e + f.0 + f.1
    }

    #[async_fn]
    async fn raw_names(r#type: u32, r#in: u32) -> u32 {
        later(r#type).await + r#in
    }

    #[async_fn]
    pub(in crate::free_functions) async fn visible() -> bool {
        true
    }

    #[async_fn]
    async fn never(stop: bool) -> ! {
        later(()).await;
        if stop {
            panic!("stopped");
        }
        loop {
            later(()).await;
        }
    }

    #[test]
    fn every_signature() {
        run(no_output());
        assert_eq!(run(add(1, &2)), 3);
        assert_eq!(run(assert_send(generic::<u32, u8, 2>(1, 7))), [7, 1]);
        assert_eq!(run(impl_arguments("four", str::len)), 4);
        assert_eq!(run(impl_output(3)).to_string(), "3");
        assert_eq!(run(impl_in_output(3)).unwrap().to_string(), "4");
        assert_eq!(run(two_lifetimes("a", "b")), ("a", "b"));
        assert_eq!(run(elided("abc", 0)), "bc");
        assert_eq!(run(hidden_lifetime(Holder("h"))), "h");
        assert_eq!(run(patterns((1, [2, 3]), 4, 5, (6, 7))), 28);
        assert_eq!(run(raw_names(1, 2)), 3);
        assert!(run(visible()));
    }

    #[test]
    #[should_panic(expected = "stopped")]
    fn a_function_that_never_returns() {
        run(never(true));
    }
}

mod typed_bodies {
    use super::*;

    #[derive(Debug)]
    struct Mine;
    impl From<std::num::ParseIntError> for Mine {
        fn from(_: std::num::ParseIntError) -> Self {
            Mine
        }
    }

    #[async_fn]
    async fn question_mark(text: &str) -> Result<u32, Mine> {
        let n = later(text.parse::<u32>()).await?;
        Ok(n + text.parse::<u32>()?)
    }

    #[async_fn]
    async fn boxed_error(fail: bool) -> Result<u32, Box<dyn Error + Send + Sync>> {
        if fail {
            return Err("a string".into());
        }
        let n = "x".parse::<u32>().or_else(|_| later("7").await_nothing().parse::<u32>())?;
        Ok(n)
    }

    trait Nothing: Sized {
        fn await_nothing(self) -> &'static str {
            "7"
        }
    }
    impl<A: Async> Nothing for A {}

    #[async_fn]
    async fn unsized_tail(n: u32) -> Box<dyn Display> {
        later(()).await;
        if n == 0 {
            return Box::new("zero");
        }
        Box::new(n)
    }

    #[async_fn]
    async fn functions(n: u32) -> fn(u32) -> u32 {
        later(()).await;
        if n == 0 { |x| x + 1 } else { |x| x * 2 }
    }

    #[async_fn]
    async fn early(n: u32) -> Option<u32> {
        let half = later(n.checked_div(2)).await?;
        (half > 1).then_some(half)
    }

    #[async_fn]
    async fn flow(n: u32) -> ControlFlow<u32> {
        if n > 1 {
            return ControlFlow::Break(n);
        }
        ControlFlow::Continue(())
    }

    #[async_fn]
    async fn collects() -> Vec<u8> {
        ["1", "2"].iter().map(|s| s.parse().unwrap()).collect()
    }

    #[async_fn]
    async fn unit_return(stop: bool) {
        if stop {
            return;
        }
        later(()).await
    }

    #[test]
    fn the_return_type_reaches_the_body() {
        assert_eq!(run(question_mark("4")).unwrap(), 8);
        assert!(run(question_mark("x")).is_err());
        assert_eq!(run(boxed_error(true)).unwrap_err().to_string(), "a string");
        assert_eq!(run(boxed_error(false)).unwrap(), 7);
        assert_eq!(run(unsized_tail(0)).to_string(), "zero");
        assert_eq!(run(unsized_tail(1)).to_string(), "1");
        assert_eq!(run(functions(0))(3), 4);
        assert_eq!(run(early(4)), Some(2));
        assert_eq!(run(flow(4)), ControlFlow::Break(4));
        assert_eq!(run(collects()), [1, 2]);
        run(unit_return(true));
        run(unit_return(false));
    }

    #[test]
    fn a_typed_block() {
        let typed = async_block! { move -> Result<u32, Box<dyn Error>> { Ok(later("7".parse::<u32>()?).await) } };
        assert_eq!(run(typed).unwrap(), 7);
    }
}

mod methods {
    use super::*;

    #[derive(Default)]
    struct Counter {
        n: u32,
        name: String,
    }

    impl Counter {
        #[async_fn]
        async fn by_ref(&self) -> &str {
            later(&*self.name).await
        }

        #[async_fn]
        async fn by_mut(&mut self, by: u32) -> u32 {
            self.n += later(by).await;
            self.n
        }

        #[async_fn]
        async fn by_value(mut self) -> String {
            self.name.push('!');
            later(self.name).await
        }

        #[async_fn]
        async fn boxed(self: Box<Self>) -> u32 {
            later(self.n).await
        }

        #[async_fn]
        async fn shared(self: &Arc<Self>) -> Arc<Self> {
            later(Arc::clone(self)).await
        }

        #[async_fn]
        async fn pinned(self: Pin<&mut Self>, by: u32) -> u32 {
            self.get_mut().by_mut(by).await
        }

        #[async_fn]
        async fn named<'s>(&'s self, other: &str) -> &'s str {
            later(()).await;
            if other.is_empty() { "" } else { &self.name }
        }

        #[async_fn]
        async fn make(n: u32) -> Self {
            Self { n: later(n).await, ..Self::default() }
        }
    }

    #[test]
    fn every_receiver() {
        let mut counter = run(Counter::make(1));
        counter.name.push('c');
        assert_eq!(run(counter.by_ref()), "c");
        assert_eq!(run(counter.by_mut(2)), 3);
        assert_eq!(run(counter.named("x")), "c");
        assert_eq!(run(Pin::new(&mut counter).pinned(1)), 4);
        let shared = Arc::new(Counter::default());
        assert!(Arc::ptr_eq(&shared, &run(shared.shared())));
        assert_eq!(run(Box::new(Counter::default()).boxed()), 0);
        assert_eq!(run(counter.by_value()), "c!");
    }
}

mod traits {
    use super::*;

    trait Source {
        type Item;
        const N: u32;

        #[async_fn(send)]
        async fn get(&self, key: &str) -> Result<Self::Item, std::fmt::Error>;

        #[async_fn]
        async fn provided(&self, key: &str) -> bool {
            self.get(key).await.is_ok() && Self::N > 0
        }

        #[async_fn]
        async fn without_self(n: u32) -> u32
        where
            Self: Sized;
    }

    struct Mem;

    impl Source for Mem {
        type Item = String;
        const N: u32 = 1;

        #[async_fn(send)]
        async fn get(&self, key: &str) -> Result<String, std::fmt::Error> {
            Ok(later(key).await.to_owned())
        }

        // A plain async fn may implement it: a future is an `Async`. rustc asks whether callers should know that.
        #[expect(refining_impl_trait)]
        async fn without_self(n: u32) -> u32 {
            ready(n).await
        }
    }

    struct Wrapped<'a, S>(&'a S);

    impl<S: Source<Item = String> + Sync> Source for Wrapped<'_, S> {
        type Item = usize;
        const N: u32 = 0;

        #[async_fn(send)]
        async fn get(&self, key: &str) -> Result<usize, std::fmt::Error> {
            self.0.get(key).await.map(|text| text.len())
        }

        #[async_fn]
        async fn without_self(n: u32) -> u32 {
            S::without_self(n).await + 1
        }
    }

    #[async_fn(send)]
    async fn generic_caller<S: Source<Item: Send> + Sync>(source: &S) -> bool {
        assert_send(source.get("k")).await.is_ok()
    }

    #[test]
    fn with_and_without_body() {
        assert_eq!(run(Mem.get("key")).unwrap(), "key");
        assert!(run(Mem.provided("key")));
        assert_eq!(run(Wrapped(&Mem).get("key")), Ok(3));
        assert!(!run(Wrapped(&Mem).provided("key")));
        assert_eq!(run(Wrapped::<Mem>::without_self(1)), 2);
        assert!(run(assert_send(generic_caller(&Wrapped(&Mem)))));
    }
}

mod bodies {
    use super::*;

    #[async_fn]
    async fn everywhere(n: u32) -> u32 {
        let Some(a) = later(Some(n)).await else { return 0 };
        let [b, c] = [later(1).await, later(2).await];
        let d = if later(true).await
            && let Some(x) = later(Some(1)).await
        {
            x
        } else {
            100
        };
        let e = match later(5).await {
            x if later(x > 4).await => later(x).await,
            _ => 100,
        };
        let mut sum = 0;
        let mut i = 0;
        'outer: while later(i < 10).await {
            i += 1;
            for j in later(0..3).await {
                if later(j == 2).await {
                    continue 'outer;
                }
                sum += later(j).await;
            }
        }
        let f = 'early: {
            if later(true).await {
                break 'early later(7).await;
            }
            100
        };
        let g = loop {
            if later(true).await {
                break later(8).await;
            }
        };
        let h = (later(1).await as u64, [later(0).await; 2][1], &later([1, 2, 3]).await[later(1).await]);
        let i = later(later(later(9).await).await).await;
        let j = std::convert::identity(later(1u32)).await + later(later).await(10).await;
        unsafe_free(later(a).await + b + c + d + e + sum + f + g + h.0 as u32 + h.1 + h.2 + i + j)
    }

    fn unsafe_free(n: u32) -> u32 {
        n
    }

    #[async_fn]
    async fn temporaries(text: &str) -> usize {
        // The temporary String lives until the end of the statement, as with a plain await.
        let n = later(String::from(text).as_str()).await.len();
        n + later(&String::from(text)).await.len()
    }

    #[async_fn]
    async fn nested_blocks(n: u32) -> u32 {
        let borrowed = async { later(n).await + 1 };
        let owned = async move { later(n).await + 2 };
        let all: Vec<_> = [1, 2, 3].map(|x| async move { later(x).await + later(n).await }).into();
        let mut sum = borrowed.await + owned.await;
        for a in all {
            sum += a.await;
        }
        sum + async { async { later(1).await }.await }.await
    }

    #[async_fn]
    async fn left_alone(n: u32) -> u32 {
        #[async_fn]
        async fn inner(n: u32) -> u32 {
            later(n).await
        }
        async fn plain_inner(n: u32) -> u32 {
            ready(n).await
        }
        fn is_future<F: Future>(f: F) -> F {
            f
        }
        const SIZE: usize = const { 1 + 1 };
        let closure = async |x: u32| plain_inner(x).await;
        let futures = async || is_future(async { ready(1).await }).await;
        let future = is_future(plain! { ready(2).await + plain_inner(3).await });
        let moved = is_future(plain! { move n });
        inner(n).await + closure(1).await + futures().await + future.await + moved.await + SIZE as u32
    }

    #[async_fn]
    async fn returns_from_blocks(n: u32) -> u32 {
        let block = async {
            if later(n).await > 1 {
                return 1;
            }
            2
        };
        let fallible = async { later("x".parse::<u32>()).await }.await;
        assert!(fallible.is_err());
        block.await + 10
    }

    #[async_fn]
    async fn plain_futures_by_reference() -> u32 {
        let mut future = std::pin::pin!(ready(1));
        let mut other = ready(2);
        future.as_mut().await + (&mut other).await
    }

    #[test]
    fn awaits_in_every_place() {
        assert_eq!(run(everywhere(1)), 58);
        assert_eq!(run(temporaries("abc")), 6);
        assert_eq!(run(nested_blocks(10)), 11 + 12 + (6 + 30) + 1);
        assert_eq!(run(left_alone(1)), 1 + 1 + 1 + 5 + 1 + 2);
        assert_eq!(run(returns_from_blocks(5)), 11);
        assert_eq!(run(plain_futures_by_reference()), 3);
    }
}

mod blocks {
    use super::*;

    fn name_it<F: Future>(block: AsyncBlock<F>) -> AsyncBlock<F> {
        block
    }

    #[test]
    fn options_and_what_only_looks_like_one() {
        let text = String::from("text");
        assert_eq!(run(async_block! { later(&text).await.len() }), 4);
        assert_eq!(run(async_block! { move later(text).await.len() }), 4);
        assert_eq!(run(async_block! { move |x: u32| x + 1 })(1), 2);
        assert_eq!(run(async_block! { move || 3 })(), 3);
        assert_eq!(run(async_block! { move move || 3 })(), 3);
        let cancellable = 4;
        assert_eq!(run(async_block! { cancellable }), 4);
        assert_eq!(run(async_block! { cancellable + 1 }), 5);
        assert_eq!(run(async_block! { move cancellable as u8 }), 4);
        assert_eq!(run(async_block! { -> u32 { cancellable } }), 4);
        run(async_block! {});
        run(async_block! { move });
        assert_eq!(run(name_it(async_block! { 1 })), 1);
        assert!(format!("{:?}", async_block! {}).starts_with("AsyncBlock"));
    }

    macro_rules! wrapped {
        (|$name:ident| $body:expr) => {
            async_block! { let $name = &1; async_block! { move $body }.await }
        };
        (typed |$name:ident| -> $output:ty $body:block) => {
            async_block! { let $name = &1; async_block! { move -> $output $body }.await }
        };
        (tokens |$name:ident| $($body:tt)*) => {
            async_block! { let $name = &1; async_block! { $($body)* }.await }
        };
    }

    #[test]
    fn other_macros_may_wrap_it() {
        assert_eq!(run(wrapped!(|s| { later(*s).await + 1 })), 2);
        assert_eq!(run(wrapped!(|s| later(*s).await + 1)), 2);
        assert_eq!(
            run(
                wrapped!(typed |s| -> Result<u32, std::num::ParseIntError> { Ok(later("1".parse::<u32>()?).await + s) })
            ),
            Ok(2)
        );
        assert_eq!(run(wrapped!(tokens |s| let n = later(*s).await; n + 1)), 2);
    }
}
