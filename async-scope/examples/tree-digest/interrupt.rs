//! Ctrl-C as something to await.

use std::{process, sync::LazyLock};

use async_cancel::{CancellationToken, Reason};

/// A signal is sent to the process, so this is the one thing here that is the process's own.
static ASKED: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// From now on Ctrl-C does not kill the process; the second one does.
pub(crate) fn install() -> Result<(), ctrlc::Error> {
    // The handler runs on a thread of its own, not inside the signal: it may wake tasks.
    ctrlc::set_handler(|| {
        if !ASKED.cancel() {
            process::exit(130);
        }
    })
}

/// Completes at the first Ctrl-C.
pub(crate) async fn requested() -> Reason {
    ASKED.cancelled().await
}

pub(crate) fn was_requested() -> bool {
    ASKED.is_cancelled()
}
