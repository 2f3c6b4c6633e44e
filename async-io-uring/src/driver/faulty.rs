//! Tests of the driver on a ring whose submissions fail and whose transfers are short (`ring/fault.rs`).

use std::{cell::Cell, pin::Pin, task::Poll};

use async_trait_core::{Async, CancelFlag, Cancelled, Context, Reason};

use crate::{UringRuntime, fs::OpenOptions, net::UnixStream, pipe::pipe, raw, ring::fault::inject};

/// Polls all of them; asks the n-th at the n-th poll.
struct AskEach<A: Async> {
    items: Vec<Item<A>>,
    polls: usize,
}

type Item<A> = (Pin<Box<A>>, CancelFlag, Option<<A as Async>::Output>);

impl<A: Async> Unpin for AskEach<A> {}

// SAFETY: polls each child to its end, and is ready when all are; no child panics in these tests.
unsafe impl<A: Async> Async for AskEach<A> {
    type Output = Vec<A::Output>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = self.polls;
        self.polls += 1;
        let mut pending = false;
        for (index, (a, flag, output)) in self.items.iter_mut().enumerate() {
            if index <= turn * 3 {
                flag.request(Reason::Requested);
            }
            if output.is_none() {
                // SAFETY: the caller's promises, passed on; each is polled until it is ready.
                match unsafe { a.as_mut().poll_async(&mut cx.with_cancel(flag)) } {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.items.drain(..).filter_map(|(_, _, value)| value).collect())
    }
}

/// Runs `test` with many seeds; a failure names the seed.
fn for_seeds(test: impl Fn(&UringRuntime)) {
    struct Off<'a>(&'a Cell<u64>);
    impl Drop for Off<'_> {
        fn drop(&mut self) {
            inject(0);
            if std::thread::panicking() {
                eprintln!("seed {}", self.0.get());
            }
        }
    }
    let seed = Cell::new(0);
    let _off = Off(&seed);
    let runtime = UringRuntime::builder().entries(8).build().expect("a runtime");
    for n in 1..100u64 {
        seed.set(n);
        inject(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        test(&runtime);
    }
}

#[test]
fn short_and_failing_submissions_lose_no_byte_of_a_file() {
    let path = std::env::temp_dir().join(format!("async-io-uring-faults-{}", std::process::id()));
    let data: Vec<u8> = (0..50_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    for_seeds(|runtime| {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file = runtime.block_on(open).expect("open");
        runtime.block_on(file.write_all_at(&data, 3)).expect("write");
        let mut back = vec![0; data.len()];
        runtime.block_on(file.read_exact_at(&mut back, 3)).expect("read");
        assert!(back == data);
    });
    let _ = std::fs::remove_file(path);
}

#[test]
fn short_and_failing_submissions_lose_no_byte_of_a_stream() {
    let data: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
    for_seeds(|runtime| {
        let (a, b) = UnixStream::pair().expect("a pair");
        runtime.block_on(a.write_all(&data)).expect("write");
        let mut back = vec![0; data.len()];
        runtime.block_on(b.read_exact(&mut back)).expect("read");
        assert!(back == data);
    });
}

#[test]
fn cancels_arrive_whatever_fails() {
    for_seeds(|runtime| {
        let (reader, _writer) = pipe().expect("a pipe");
        let items = (0..100).map(|_| (Box::pin(raw::readable(&reader)), CancelFlag::new(), None)).collect();
        let results = runtime.block_on(AskEach { items, polls: 0 });
        assert_eq!(results.len(), 100);
        for result in results {
            let error = result.expect_err("nothing to read");
            assert!(Cancelled::from_io(&error).is_some(), "{error}");
        }
    });
}
