//! The traits for streams, and what is built on them.
mod common;

use async_io_uring::{fs::OpenOptions, io, net::UnixStream};
use common::*;

#[test]
fn everything_up_to_the_end_is_read_and_copied() {
    for place in Place::each() {
        let path = scratch("io");
        let file =
            place.run(OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)).unwrap();
        let data: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        place.run(io::write_all(&mut io::Cursor::new(&file, 0), &data)).unwrap();
        let mut back = vec![1];
        assert_eq!(place.run(io::read_to_end(&mut io::Cursor::new(&file, 0), &mut back)).unwrap(), data.len());
        assert!(back[0] == 1 && back[1..] == data);
        let path2 = scratch("io-copy");
        let copy = place.run(OpenOptions::new().write(true).create(true).truncate(true).open(&path2)).unwrap();
        let mut end = io::Cursor::new(&copy, 0);
        assert_eq!(place.run(io::copy(&mut io::Cursor::new(&file, 0), &mut end)).unwrap(), data.len());
        assert!(end.position() == data.len() as u64 && std::fs::read(&path2).unwrap() == data);
        std::fs::remove_file(path2).unwrap();
        let error =
            place.run(io::read_exact(&mut io::Cursor::new(&file, end.position() - 3), &mut [0; 5])).unwrap_err();
        assert_eq!((error.done, error.source.kind()), (3, std::io::ErrorKind::UnexpectedEof));
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_line_that_is_cancelled_half_way_is_read_on() {
    for place in Place::each() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut lines = io::BufReader::with_capacity(4, &a).lines();
        place.run(b.write_all(b"first line\r\nsec")).unwrap();
        assert_eq!(place.run(lines.next_line()).unwrap().as_deref(), Some("first line"));
        // What is there is read; then nothing comes, and the request is noticed.
        let error = place.run(ask(Moment::InFlight, lines.next_line())).unwrap_err();
        assert!(is_cancelled(&error), "{error}");
        place.run(b.write_all(b"ond\nlast")).unwrap();
        drop(b);
        assert_eq!(place.run(lines.next_line()).unwrap().as_deref(), Some("second"));
        assert_eq!(place.run(lines.next_line()).unwrap().as_deref(), Some("last"));
        assert_eq!(place.run(lines.next_line()).unwrap(), None);
    }
}
