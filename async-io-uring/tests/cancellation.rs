//! Every operation, cancelled before it is submitted, in flight, and in a race with its completion; on a ring of the thread's
//! own and through the shared driver. What comes back is the real result, or `Cancelled`, and then nothing has happened.
mod common;

use async_io_uring::{fs::File, net::*, pipe::pipe, raw, time};
use common::*;
use std::{io::Write as _, net::SocketAddr, time::Duration};

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn what_waits_is_cancelled_at_every_moment_and_works_afterwards() {
    for place in Place::each() {
        for moment in ASKED {
            let (reader, writer) = pipe().unwrap();
            let mut buf = [7; 4];
            assert!(is_cancelled(&place.run(ask(moment, reader.read(&mut buf))).unwrap_err()), "{moment:?}");
            assert_eq!(buf, [7; 4]);
            assert!(is_cancelled(&place.run(ask(moment, raw::readable(&reader))).unwrap_err()));
            assert_eq!(place.run(writer.write(b"abcd")).unwrap(), 4);
            assert_eq!((place.run(reader.read(&mut buf)).unwrap(), &buf), (4, b"abcd"));

            let (a, b) = UnixStream::pair().unwrap();
            assert!(is_cancelled(&place.run(ask(moment, a.read(&mut buf))).unwrap_err()));
            let stopped = place.run(ask(moment, a.read_exact(&mut buf))).unwrap_err();
            assert_eq!((stopped.done, is_cancelled(&stopped.source)), (0, true));
            place.run(b.write_all(b"wxyz")).unwrap();
            place.run(a.read_exact(&mut buf)).unwrap();
            assert_eq!(&buf, b"wxyz");

            let listener = TcpListener::bind(any()).unwrap();
            assert!(is_cancelled(&place.run(ask(moment, listener.accept())).unwrap_err()));
            let client = place.run(TcpStream::connect(listener.local_addr().unwrap())).unwrap();
            let (server, peer) = place.run(listener.accept()).unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert_eq!(server.peer_addr().unwrap(), peer);

            let socket = UdpSocket::bind(any()).unwrap();
            assert!(is_cancelled(&place.run(ask(moment, socket.recv_from(&mut buf))).unwrap_err()));
            place.run(socket.send_to(b"hi", socket.local_addr().unwrap())).unwrap();
            assert_eq!(place.run(socket.recv_from(&mut buf)).unwrap(), (2, socket.local_addr().unwrap()));

            let hour = Duration::from_secs(3600);
            assert!(is_cancelled(&place.run(ask(moment, time::sleep(hour))).unwrap_err()));
            place.run(time::sleep(Duration::from_millis(1))).unwrap();
        }
    }
}

#[test]
fn a_write_that_fills_the_socket_says_how_far_it_got() {
    for place in Place::each() {
        let (a, b) = UnixStream::pair().unwrap();
        let data: Vec<u8> = (0..4 << 20).map(|n: u32| n as u8).collect();
        let stopped = place.run(ask(Moment::InFlight, a.write_all(&data))).unwrap_err();
        assert!(is_cancelled(&stopped.source));
        drop(a);
        let (mut got, mut buf) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match place.run(b.read(&mut buf)).unwrap() {
                0 => break,
                n => got.extend_from_slice(&buf[..n]),
            }
        }
        assert_eq!(got, data[..stopped.done], "as many bytes arrived as the error says");
    }
}

#[test]
fn bytes_read_in_a_race_with_the_cancel_are_neither_lost_nor_doubled() {
    for place in Place::each() {
        let (mut won, mut lost) = (0, 0);
        for round in 0..400u32 {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let reader = async_io_uring::pipe::Reader::from(std::os::fd::OwnedFd::from(reader));
            let mut buf = [0; 4];
            // The byte comes before, or together with the request, or from another thread at about that time.
            let sender = (round % 3 == 2).then(|| {
                let mut writer = writer.try_clone().unwrap();
                std::thread::spawn(move || writer.write_all(b"x").unwrap())
            });
            let result = place.run(ask_and(Moment::InFlight, reader.read(&mut buf), || {
                if round % 3 == 1 {
                    writer.write_all(b"x").unwrap();
                }
            }));
            if let Some(sender) = sender {
                sender.join().unwrap();
            } else if round % 3 == 0 {
                writer.write_all(b"x").unwrap();
            }
            drop(writer);
            let rest = place.run(reader.read(&mut [0; 4])).unwrap();
            match result {
                Ok(n) => {
                    assert_eq!((n, buf[0], rest), (1, b'x', 0));
                    won += 1;
                }
                Err(error) => {
                    assert!(is_cancelled(&error));
                    assert_eq!((buf, rest), ([0; 4], 1));
                    lost += 1;
                }
            }
        }
        assert!(lost > 0, "won {won}, lost {lost}");
    }
}

#[test]
fn connections_accepted_in_a_race_with_the_cancel_are_returned() {
    for place in Place::each() {
        let listener = TcpListener::bind(any()).unwrap();
        let address = listener.local_addr().unwrap();
        let before = open_descriptors();
        let (mut accepted, mut clients) = (0, Vec::new());
        for round in 0..200 {
            let result = place.run(ask_and(Moment::InFlight, listener.accept(), || {
                if round % 2 == 0 {
                    clients.push(std::net::TcpStream::connect(address).unwrap());
                }
            }));
            match result {
                Ok(_) => accepted += 1,
                Err(error) => assert!(is_cancelled(&error)),
            }
        }
        while accepted < clients.len() {
            place.run(listener.accept()).unwrap();
            accepted += 1;
        }
        assert_eq!(accepted, clients.len());
        clients.clear();
        // Other tests of this binary open descriptors of their own meanwhile: only a leak of hundreds would show, and would be one.
        assert!(open_descriptors() < before + 150, "{before} -> {}", open_descriptors());
    }
}

#[test]
fn a_file_is_read_or_the_read_is_cancelled_and_the_buffer_is_the_callers() {
    let path = scratch("cancel-read");
    std::fs::write(&path, vec![9; 1 << 20]).unwrap();
    for place in Place::each() {
        let file = place.run(File::open(&path)).unwrap();
        for moment in ASKED {
            let mut buf = vec![0; 1 << 16];
            match place.run(ask(moment, file.read_at(&mut buf, 0))) {
                Ok(n) => assert!(buf[..n].iter().all(|byte| *byte == 9)),
                Err(error) => assert!(is_cancelled(&error) && buf.iter().all(|byte| *byte == 0)),
            }
            assert_eq!(place.run(file.read_at(&mut buf, 0)).unwrap(), 1 << 16);
        }
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn ten_thousand_cancels_pass_through_a_small_queue() {
    let runtime = async_io_uring::UringRuntime::builder().entries(8).build().unwrap();
    for place in [Place::Ring(runtime), Place::Foreign] {
        for moment in [Moment::Queued, Moment::InFlight] {
            let (reader, _writer) = pipe().unwrap();
            let results = place.run(all((0..10_000).map(|_| ask(moment, raw::readable(&reader)))));
            assert_eq!(results.iter().filter(|result| is_cancelled(result.as_ref().unwrap_err())).count(), 10_000);
        }
    }
}

#[test]
fn thousands_of_operations_complete_through_a_small_queue() {
    let runtime = async_io_uring::UringRuntime::builder().entries(1).build().unwrap();
    for place in [Place::Ring(runtime), Place::Foreign] {
        let results = place.run(all((0..3000).map(|_| raw::nop())));
        assert!(results.len() == 3000 && results.iter().all(Result::is_ok));
    }
}
