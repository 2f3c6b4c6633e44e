//! Tasks on `UringRuntime`: scopes, threads of every number, waits inside of tasks.
mod common;

use async_io_uring::{
    DriverKind, UringRuntime,
    net::{Shutdown, TcpListener, TcpStream},
    pipe::pipe,
    raw,
};
use async_scope::{ScopeOptions, async_fn, scope};
use std::io;

#[async_fn(send)]
async fn echo(stream: TcpStream) -> io::Result<usize> {
    let (mut buf, mut total) = ([0; 512], 0);
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(total),
            n => {
                stream.write_all(&buf[..n]).await?;
                total += n;
            }
        }
    }
}

#[async_fn(send)]
async fn client(address: std::net::SocketAddr, data: &[u8]) -> io::Result<usize> {
    let stream = TcpStream::connect(address).await?;
    stream.write_all(data).await?;
    stream.shutdown(Shutdown::Write).await?;
    let mut back = vec![0; data.len()];
    stream.read_exact(&mut back).await?;
    assert!(back == data);
    stream.read(&mut [0]).await
}

#[test]
fn scoped_tasks_serve_and_use_connections_on_any_number_of_threads() {
    for threads in [0, 1, 2] {
        let runtime = UringRuntime::builder().threads(threads).entries(16).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let data: Vec<u8> = (0..3000u32).map(|n| n as u8).collect();
        let (served, used) = runtime.block_on(scope!(|s| {
            let clients: Vec<_> = (0..64).map(|_| s.spawn(client(address, &data))).collect();
            let mut servers = Vec::new();
            for _ in 0..64 {
                let (stream, _) = listener.accept().await.unwrap();
                servers.push(s.spawn(echo(stream)));
            }
            let (mut served, mut used) = (0, 0);
            for server in servers {
                served += server.await.unwrap().unwrap();
            }
            for client in clients {
                used += client.await.unwrap().map(|_| 1).unwrap();
            }
            (served, used)
        }));
        assert_eq!((served, used), (64 * 3000, 64));
    }
}

#[test]
fn a_task_that_blocks_drives_its_ring_meanwhile() {
    for threads in [0, 1] {
        let runtime = UringRuntime::builder().threads(threads).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let n = runtime.block_on(scope!(|s| {
            let blocked = s.spawn(async {
                // In plain async code: a wait of this thread, with operations inside.
                runtime_glue::block_on(raw::nop()).unwrap();
                runtime_glue::block_on(reader.read(&mut [0; 4])).unwrap()
            });
            writer.write(b"ab").await.unwrap();
            blocked.await.unwrap()
        }));
        assert_eq!(n, 2);
    }
}

#[test]
fn another_executor_spawns_onto_it() {
    let runtime = UringRuntime::new().unwrap();
    let (reader, writer) = pipe().unwrap();
    let n = runtime_glue::block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
        let read = s.spawn(async { reader.read(&mut [0; 4]).await.unwrap() });
        s.spawn(async { writer.write(b"abc").await.unwrap() });
        read.await.unwrap()
    }));
    assert_eq!(n, 3);
    assert_ne!(runtime.driver().kind(), DriverKind::SharedRing);
}

#[test]
fn a_scope_that_is_cancelled_ends_its_operations_on_every_thread() {
    let runtime = UringRuntime::builder().threads(2).build().unwrap();
    let (reader, _writer) = pipe().unwrap();
    let cancelled = runtime.block_on(scope!(|s| {
        let tasks: Vec<_> = (0..500).map(|_| s.spawn(async { reader.read(&mut [0; 4]).await })).collect();
        raw::nop().await.unwrap();
        s.cancel();
        let mut cancelled = 0;
        for task in tasks {
            cancelled += usize::from(common::is_cancelled(&task.await.unwrap().unwrap_err()));
        }
        cancelled
    }));
    assert_eq!(cancelled, 500);
}

#[test]
fn a_main_that_only_yields_does_not_starve_the_tasks_of_its_thread() {
    let runtime = UringRuntime::builder().threads(0).build().unwrap();
    runtime.block_on(scope!(|s| {
        let task = s.spawn(async { raw::nop().await.unwrap() });
        while !task.is_finished() {
            async_trait_core::yield_now().await;
        }
        task.await.unwrap();
    }));
}
