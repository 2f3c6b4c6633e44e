//! A process at its limits: no locked memory, no descriptors left.
mod common;

use async_io_uring::{fs::File, raw};
use common::*;

fn limit(resource: libc::__rlimit_resource_t, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: reads the two numbers.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

#[test]
fn errors_are_errors_and_it_goes_on_when_there_is_room_again() {
    limit(libc::RLIMIT_MEMLOCK, 64 << 10);
    let places = Place::each();
    for place in &places {
        place.run(raw::nop()).unwrap();
    }
    limit(libc::RLIMIT_NOFILE, open_descriptors() as u64 + 20);
    for place in &places {
        let mut files = Vec::new();
        let error = loop {
            match place.run(File::open("/dev/null")) {
                Ok(file) => files.push(file),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().starts_with("open of /dev/null: "), "{error}");
        assert!(!files.is_empty());
        drop(files);
        place.run(File::open("/dev/null")).unwrap();
    }
}
