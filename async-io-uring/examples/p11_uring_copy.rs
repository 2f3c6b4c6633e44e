//! File copy, two borrowed buffers in flight: write one while the other is read. Cancelled in the middle it says exactly how
//! far it got. EXPECT: "copied 1048576" or "stopped at N (Deadline)", given in.bin of 1 MiB in the working directory.
use async_cancel::{Cancelled, timeout};
use async_combinators::join;
use async_io_uring::{Incomplete, UringRuntime, fs::File};
use async_scope::{async_block, async_fn};
use std::{io, path::Path, time::Duration};
#[derive(Debug)]
struct Copied {
    bytes: u64,
    stopped: Option<io::Error>,
}
#[async_fn]
async fn copy(from: &Path, to: &Path) -> io::Result<Copied> {
    let (src, dst) = (File::open(from).await?, File::create(to).await?);
    let (mut a, mut b) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    let mut bytes = 0;
    let mut n = src.read_at(&mut a, 0).await?;
    while n > 0 {
        let (written, read) = join((dst.write_all_at(&a[..n], bytes), src.read_at(&mut b, bytes + n as u64))).await;
        match written {
            Ok(()) => bytes += n as u64,
            Err(Incomplete { done, source }) => {
                return Ok(Copied { bytes: bytes + done as u64, stopped: Some(source) });
            }
        }
        n = match read {
            Ok(n) => n,
            Err(e) => return Ok(Copied { bytes, stopped: Some(e) }),
        };
        std::mem::swap(&mut a, &mut b);
    }
    dst.sync_all().await?;
    Ok(Copied { bytes, stopped: None })
}
fn main() -> io::Result<()> {
    let rt = UringRuntime::new()?;
    let out = rt.block_on(
        async_block! { timeout(Duration::from_millis(5), copy(Path::new("in.bin"), Path::new("out.bin"))).await },
    );
    let Some(done) = out.map(Some).unwrap_or_else(|late| late.into_output()) else { return Ok(()) };
    let done = done?;
    match done.stopped.as_ref().and_then(Cancelled::from_io) {
        Some(why) => println!("stopped at {} ({:?})", done.bytes, why.reason()),
        None => println!("copied {}", done.bytes),
    }
    Ok(())
}
