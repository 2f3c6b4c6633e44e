//! The shared driver: serves operations that are polled on threads without a ring of their own (tokio, smol, the default
//! pool, `block_on`). One thread of the process owns its ring; everybody posts to its mailbox.

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

use super::{Entered, LocalDriver, Mailbox, Wait, fallback, ring_allowed};

/// The mailbox of the shared driver, which is started by the first call. A failure is not remembered: there may be room later.
pub(crate) fn shared_mailbox() -> io::Result<&'static Mailbox> {
    static SHARED: OnceLock<&'static Mailbox> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(mailbox) = SHARED.get() {
        return Ok(mailbox);
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mailbox) = SHARED.get() {
        return Ok(mailbox);
    }
    let mailbox = launch()?;
    Ok(SHARED.get_or_init(|| mailbox))
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
