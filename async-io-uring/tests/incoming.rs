//! Connections accepted ahead, and sends without a copy.
mod common;

use async_io_uring::net::{TcpListener, TcpStream};
use async_trait_core::items;
use common::*;
use std::net::SocketAddr;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn each_connection_is_an_item_or_handed_out_at_the_end() {
    for place in Place::each() {
        let listener = TcpListener::bind(any()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = listener.incoming();
        let clients: Vec<_> = (0..50).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut peers = Vec::new();
        for _ in 0..20 {
            peers.push(place.run(incoming.next()).unwrap().unwrap().peer_addr().unwrap());
        }
        let rest = place.run(incoming.into_inner().close());
        peers.extend(rest.iter().map(|stream| stream.peer_addr().unwrap()));
        // Those that the kernel had not accepted yet are in the listener's queue still.
        while peers.len() < clients.len() {
            peers.push(place.run(listener.accept()).unwrap().1);
        }
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        peers.sort();
        expected.sort();
        assert_eq!(peers, expected);
    }
}

#[test]
fn it_may_be_dropped_and_forgotten_at_any_time() {
    for place in Place::each() {
        for forget in [false, true] {
            let listener = &*leak(TcpListener::bind(any()).unwrap());
            let address = listener.local_addr().unwrap();
            let mut incoming = listener.incoming();
            let client = std::net::TcpStream::connect(address).unwrap();
            let first = place.run(incoming.next()).unwrap().unwrap();
            assert_eq!(first.peer_addr().unwrap(), client.local_addr().unwrap());
            // `next` is cancel-safe: asked, it yields the request, and loses nothing.
            let error = place.run(ask(Moment::InFlight, incoming.next())).unwrap().unwrap_err();
            assert!(is_cancelled(&error));
            let second = std::net::TcpStream::connect(address).unwrap();
            assert_eq!(place.run(incoming.next()).unwrap().unwrap().peer_addr().unwrap(), second.local_addr().unwrap());
            if forget {
                leak(incoming);
            } else {
                drop(incoming);
            }
        }
    }
}

#[test]
fn an_iterator_outlives_the_ring_that_it_started_on() {
    let listener = TcpListener::bind(any()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = items(listener.incoming().into_inner());
    for place in Place::each().into_iter().chain(Place::each()) {
        let client = std::net::TcpStream::connect(address).unwrap();
        let server = place.run(incoming.next()).unwrap().unwrap();
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    }
}

#[test]
fn a_send_without_copy_arrives_whole_and_gives_its_buffer_back() {
    for place in Place::each() {
        let listener = TcpListener::bind(any()).unwrap();
        let client = place.run(TcpStream::connect(listener.local_addr().unwrap())).unwrap();
        let (server, _) = place.run(listener.accept()).unwrap();
        let mut data = vec![3; 1 << 16];
        let n = place.run(client.write_zero_copy(&data)).unwrap();
        data.fill(4);
        let mut back = vec![0; n];
        place.run(server.read_exact(&mut back)).unwrap();
        assert!(back.iter().all(|byte| *byte == 3));
        // Asked in flight: it was not done, or in part, and as much arrives as it says. The peer must read on, for until then the
        // socket holds the buffer.
        let mut server = std::net::TcpStream::from(server);
        let reader = std::thread::spawn(move || std::io::copy(&mut server, &mut std::io::sink()).unwrap());
        let big = vec![5; 8 << 20];
        let sent = match place.run(ask(Moment::InFlight, client.write_zero_copy(&big))) {
            Ok(n) => n,
            Err(error) => {
                assert!(is_cancelled(&error));
                0
            }
        };
        drop(client);
        assert_eq!(reader.join().unwrap(), sent as u64);
    }
}
