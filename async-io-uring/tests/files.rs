//! Files, on each driver.
use async_io_uring::{
    DriverKind, Incomplete, UringRuntime,
    fs::{self, File, OpenOptions},
};
use std::io::{IoSlice, IoSliceMut};

fn scratch(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("async-io-uring-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn what_was_written_is_read_back() {
    let runtime = UringRuntime::new().unwrap();
    let path = scratch("round-trip");
    let file = runtime.block_on(OpenOptions::new().read(true).write(true).create_new(true).open(&path)).unwrap();
    let data: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    runtime.block_on(file.write_all_at(&data, 10)).unwrap();
    let mut back = vec![0; 100_000];
    runtime.block_on(file.read_exact_at(&mut back, 10)).unwrap();
    assert_eq!(back, data);
    assert_eq!(runtime.block_on(file.metadata()).unwrap().len(), 100_010);
    let (mut a, mut b) = ([1; 10], [1; 5]);
    let n =
        runtime.block_on(file.read_vectored_at(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)], 0)).unwrap();
    assert_eq!((n, a, b), (15, [0; 10], [0, 1, 2, 3, 4]));
    assert_eq!(runtime.block_on(file.write_vectored_at(&[IoSlice::new(b"xy"), IoSlice::new(b"z")], 0)).unwrap(), 3);
    runtime.block_on(file.sync_all()).unwrap();
    runtime.block_on(file.set_len(4)).unwrap();
    let mut rest = vec![0; 8];
    let Incomplete { done, source } = runtime.block_on(file.read_exact_at(&mut rest, 0)).unwrap_err();
    assert_eq!((done, source.kind()), (4, std::io::ErrorKind::UnexpectedEof));
    assert_eq!(&rest[..3], b"xyz");
    runtime.block_on(file.close()).unwrap();
    runtime.block_on(fs::remove_file(&path)).unwrap();
    let error = runtime.block_on(File::open(&path)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("round-trip"), "{error}");
}

#[test]
fn the_same_operations_run_without_a_ring_of_the_threads_own() {
    let path = scratch("foreign");
    let file = runtime_glue::block_on(File::create(&path)).unwrap();
    runtime_glue::block_on(file.write_all_at(b"hello", 0)).unwrap();
    let mut back = [0; 5];
    let file = runtime_glue::block_on(File::open(&path)).unwrap();
    runtime_glue::block_on(file.read_exact_at(&mut back, 0)).unwrap();
    assert_eq!(&back, b"hello");
    runtime_glue::block_on(fs::remove_file(&path)).unwrap();
    assert_ne!(async_io_uring::Driver::current().kind(), DriverKind::Ring);
}
