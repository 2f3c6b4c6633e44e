//! TCP proxy: two directions over shared `&TcpStream`s (no split needed), half-close, an idle timeout that any direction resets.
//! EXPECT: one "up N down M" line a connection, until killed
use async_cancel::{Cancelled, Reason, with_timeout};
use async_combinators::join;
use async_io_uring::{
    UringRuntime,
    net::{Shutdown, TcpListener, TcpStream},
};
use async_scope::{ScopeOptions, async_block, async_fn, scope};
use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
const IDLE: Duration = Duration::from_secs(60);
#[async_fn(send)]
async fn pump(from: &TcpStream, to: &TcpStream, moved: &AtomicU64, both: &AtomicU64) -> io::Result<u64> {
    let mut buf = [0; 16 << 10];
    loop {
        let before = both.load(Relaxed);
        match with_timeout(IDLE, from.read(&mut buf)).await {
            Ok(0) => {
                to.shutdown(Shutdown::Write).await?;
                return Ok(moved.load(Relaxed));
            }
            Ok(n) => {
                to.write_all(&buf[..n]).await?;
                moved.fetch_add(n as u64, Relaxed);
                both.fetch_add(n as u64, Relaxed);
            }
            // quiet here: give up only if the other direction was quiet too
            Err(e)
                if Cancelled::from_io(&e).is_some_and(|c| c.reason() == Reason::Deadline)
                    && both.load(Relaxed) != before => {}
            Err(e) => return Err(e),
        }
    }
}
#[async_fn(send)]
async fn proxy(client: TcpStream, upstream: SocketAddr) -> io::Result<(u64, u64)> {
    let server = TcpStream::connect(upstream).await?;
    let (up, down, both) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (u, d) = join((pump(&client, &server, &up, &both), pump(&server, &client, &down, &both))).await;
    Ok((u?, d?))
}
fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    UringRuntime::new()?.block_on(async_block! { scope!(ScopeOptions::new().limit(1000), |s| -> io::Result<()> {
        loop {
            let slot = s.reserve().await;
            let (client, _) = listener.accept().await?;
            slot.spawn(async move { match proxy(client, "127.0.0.1:1".parse().unwrap()).await { Ok((u, d)) => println!("up {u} down {d}"), Err(e) => eprintln!("{e}") } });
        }
    }).await })
}
