//! What must hold when the others break their promises: operations dropped in flight, wakers that panic, runtimes that go.
mod common;

use async_io_uring::{
    DriverKind, UringRuntime,
    fs::OpenOptions,
    pipe::{self, pipe},
};
use async_trait_core::{Async, Cancelled, Context, Reason};
use common::*;
use runtime_glue::JoinError;
use std::{
    io::Write as _,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Wake, Waker},
};

/// Polls `a` once, with a waker that does nothing.
fn poll_once<A: Async>(a: Pin<&mut A>) -> Poll<A::Output> {
    // SAFETY: the breach that these tests are about: `Drop` of operations must cope.
    unsafe { a.poll_async(&mut Context::from_waker(Waker::noop())) }
}

#[test]
fn dropping_an_operation_in_flight_waits_until_the_kernel_is_done_with_it() {
    for place in Place::each() {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = pipe::Reader::from(OwnedFd::from(reader));
        let mut buf = [0; 8];
        place.run(async {
            let mut read = Box::pin(reader.read(&mut buf));
            assert!(poll_once(read.as_mut()).is_pending());
        });
        (&writer).write_all(b"12345678").unwrap();
        assert_eq!(buf, [0; 8], "nothing was written after the drop");
        assert_eq!(place.run(reader.read(&mut buf)).unwrap(), 8);
    }
}

#[test]
fn direct_reads_in_flight_write_nothing_after_the_drop() {
    const SIZE: usize = 1 << 16;
    let path = scratch("direct");
    std::fs::write(&path, vec![1; 64 * SIZE]).unwrap();
    #[repr(align(4096))]
    struct Aligned([u8; SIZE]);
    for place in Place::each() {
        // Not every file system has direct I/O; without it the test is about plain reads.
        let direct = place.run(OpenOptions::new().read(true).direct(true).open(&path));
        let file = direct.unwrap_or_else(|_| place.run(OpenOptions::new().read(true).open(&path)).unwrap());
        let mut bufs: Vec<_> = (0..64).map(|_| Box::new(Aligned([0; SIZE]))).collect();
        place.run(async {
            let reads = bufs.iter_mut().enumerate();
            let mut reads: Vec<_> =
                reads.map(|(n, buf)| Box::pin(file.read_at(&mut buf.0, (n * SIZE) as u64))).collect();
            for read in &mut reads {
                let _ = poll_once(read.as_mut());
            }
        });
        for buf in &mut bufs {
            buf.0.fill(5);
        }
        // The ring goes through the same queue of the disk once more.
        let mut last = Box::new(Aligned([0; SIZE]));
        place.run(file.read_at(&mut last.0, 0)).unwrap();
        assert!(bufs.iter().all(|buf| buf.0.iter().all(|byte| *byte == 5)), "a buffer was written after its operation");
    }
    std::fs::remove_file(path).unwrap();
}

/// Panics when it is woken or, once armed, when it is cloned.
struct Angry;

impl Wake for Angry {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn a_waker_that_panics_does_not_take_the_driver_down() {
    for place in Place::each() {
        let (reader, writer) = pipe().unwrap();
        let mut buf = [0; 1];
        let mut read = Box::pin(reader.read(&mut buf));
        let angry = Waker::from(Arc::new(Angry));
        place.run(async {
            // SAFETY: it is polled to its end below.
            assert!(unsafe { read.as_mut().poll_async(&mut Context::from_waker(&angry)) }.is_pending());
        });
        assert_eq!(place.run(writer.write(b"x")).unwrap(), 1);
        let n = place.run(Resume(read)).unwrap();
        assert_eq!((n, buf), (1, *b"x"));
    }
}

#[test]
fn a_waker_whose_clone_panics_in_flight_ends_the_operation_before_the_panic_leaves() {
    use std::task::{RawWaker, RawWakerVTable};
    static TABLE: RawWakerVTable = RawWakerVTable::new(|_| panic!("cloned"), |_| (), |_| (), |_| ());
    // SAFETY: the functions ignore the data, and a `clone` that panics returns nothing.
    let cursed = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) };
    for place in Place::each() {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = pipe::Reader::from(OwnedFd::from(reader));
        let mut buf = [0; 8];
        place.run(async {
            let mut read = Box::pin(reader.read(&mut buf));
            assert!(poll_once(read.as_mut()).is_pending());
            let poll = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: it is complete after this, by unwinding.
                let _ = unsafe { read.as_mut().poll_async(&mut Context::from_waker(&cursed)) };
            }));
            assert_eq!(poll.unwrap_err().downcast_ref(), Some(&"cloned"));
        });
        (&writer).write_all(b"12345678").unwrap();
        assert_eq!(buf, [0; 8]);
        assert_eq!(place.run(reader.read(&mut buf)).unwrap(), 8);
    }
}

/// Counts when it was started.
struct Counted<A> {
    read: Resume<A>,
    started: Option<Arc<AtomicUsize>>,
}

// SAFETY: passes every clause on to the inner value, which it owns.
unsafe impl<A: Async> Async for Counted<A> {
    type Output = A::Output;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: the caller's promises, passed on.
        let poll = unsafe { Pin::new(&mut self.read).poll_async(cx) };
        if let Some(started) = self.started.take() {
            started.fetch_add(1, SeqCst);
        }
        poll
    }
}

#[test]
fn a_runtime_dropped_with_a_thousand_reads_pending_cancels_them() {
    let runtime = UringRuntime::builder().threads(2).entries(32).build().unwrap();
    if runtime.driver().kind() != DriverKind::Ring {
        // Without rings the operations are not the runtime's, and go on until their peers act.
        return;
    }
    let handle = runtime.handle();
    let started = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (reader, writer) = pipe().unwrap();
            writers.push(writer);
            let (reader, buf) = (leak(reader), leak([0; 16]));
            let (read, started) = (Box::pin(reader.read(buf)), Arc::clone(&started));
            handle.spawn(Counted { read: Resume(read), started: Some(started) })
        })
        .collect();
    while started.load(SeqCst) < 1000 {
        std::thread::yield_now();
    }
    drop(runtime);
    for task in tasks {
        let error = runtime_glue::block_on(task).unwrap().unwrap_err();
        assert_eq!(Cancelled::from_io(&error).map(|cancelled| cancelled.reason()), Some(Reason::Shutdown), "{error}");
    }
    let late = handle.spawn(async { 1 });
    assert!(matches!(runtime_glue::block_on(late), Ok(1) | Err(JoinError::Cancelled(_))), "rescued, or cancelled");
}

#[test]
fn an_operation_moved_to_another_ring_completes_and_is_cancelled_there() {
    for cancel in [true, false] {
        let (reader, writer) = pipe().unwrap();
        let (reader, buf) = (leak(reader), leak([0; 4]));
        let (end_reader, end_writer) = pipe().unwrap();
        let (send, receive) = mpsc::channel::<Pin<Box<pipe::Read<'static>>>>();
        let other = std::thread::spawn(move || {
            let runtime = UringRuntime::new().unwrap();
            let rest = Resume(receive.recv().unwrap());
            let result = runtime.block_on(ask_and(if cancel { Moment::Fresh } else { Moment::InFlight }, rest, || ()));
            runtime.block_on(end_writer.write(b"!")).unwrap();
            result
        });
        UringRuntime::new().unwrap().block_on(async {
            let mut read = Box::pin(reader.read(buf));
            assert!(poll_once(read.as_mut()).is_pending());
            if !cancel {
                (&std::fs::File::from(OwnedFd::from(writer))).write_all(b"abcd").unwrap();
            }
            send.send(read).unwrap();
            // The ring of this thread is driven until the other thread is done.
            let mut byte = [0];
            let mut wait = Box::pin(end_reader.read(&mut byte));
            // SAFETY: polled to its end before this block ends.
            std::future::poll_fn(|cx| unsafe { wait.as_mut().poll_async(&mut Context::from_waker(cx.waker())) })
                .await
                .unwrap();
        });
        match other.join().unwrap() {
            Ok(n) => assert!(!cancel && n == 4),
            Err(error) => assert!(is_cancelled(&error)),
        }
    }
}

#[test]
fn a_full_disk_a_reset_and_a_child_process_are_survived() {
    for place in Place::each() {
        let full = place.run(OpenOptions::new().write(true).open("/dev/full")).unwrap();
        let error = place.run(full.write_all_at(b"x", 0)).unwrap_err();
        assert_eq!((error.done, error.source.kind()), (0, std::io::ErrorKind::StorageFull));

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = place.run(async_io_uring::net::TcpStream::connect(listener.local_addr().unwrap())).unwrap();
        let (server, _) = listener.accept().unwrap();
        place.run(client.write_all(b"never read")).unwrap();
        let mut byte = [0];
        assert_eq!(server.peek(&mut byte).unwrap(), 1);
        drop(server); // with unread data: the peer is reset
        assert_eq!(place.run(client.read(&mut byte)).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

        let (reader, writer) = pipe().unwrap();
        let result = place.run(ask_and(Moment::InFlight, reader.read(&mut byte), || {
            assert!(std::process::Command::new("true").status().unwrap().success());
        }));
        assert!(is_cancelled(&result.unwrap_err()));
        drop(writer);
    }
}
