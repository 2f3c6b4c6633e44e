//! The shared driver: serves operations that are polled on threads without a ring of their own (tokio, smol, the default
//! pool, `block_on`). One thread of the process owns its ring; everybody posts to its mailbox.

use std::{io, sync::OnceLock, sync::mpsc, thread};

use super::{Entered, LocalDriver, Mailbox, Wait, fallback, ring_allowed};

static SHARED: OnceLock<Result<&'static Mailbox, (io::ErrorKind, String)>> = OnceLock::new();

/// The mailbox of the shared driver, which is started by the first call.
pub(crate) fn shared_mailbox() -> io::Result<&'static Mailbox> {
    match SHARED.get_or_init(|| launch().map_err(|error| (error.kind(), error.to_string()))) {
        Ok(mailbox) => Ok(mailbox),
        Err((kind, text)) => Err(io::Error::new(*kind, text.as_str())),
    }
}

fn launch() -> io::Result<&'static Mailbox> {
    if !ring_allowed() {
        return fallback::launch();
    }
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("async-io-uring".into()).spawn(move || match LocalDriver::new(1024, 4096) {
        Ok(driver) => {
            let _ = sender.send(Ok(driver.mailbox()));
            let _entered = Entered::new(&driver);
            loop {
                driver.turn(Wait::Forever, || true);
            }
        }
        Err(error) => {
            let _ = sender.send(Err(error));
        }
    })?;
    receiver.recv().unwrap_or_else(|_| Err(io::Error::other("the driver's thread ended")))
}
