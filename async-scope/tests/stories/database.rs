//! *Alan finds dropping database handles is hard.* A connection must be closed with an await before it is opened again.
//!
//! Today `Drop` cannot await, so the close is spawned, and a reopening races it:
//!
//! ```text
//! impl Drop for Connection {
//!     fn drop(&mut self) { tokio::spawn(close(self.handle.take())); }   // some time later, maybe after the next open
//! }
//! ```
//!
//! Here the close is a release of the scope: it is awaited, whatever ends the scope. The database is SQLite with an exclusive
//! lock, so a second connection at the same time fails.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_cancel::{OrCancelled as _, Reason};
use async_scope::{async_fn, scope};
use async_trait_core::{pending, yield_now};
use runtime_glue::block_on;
use rusqlite::Connection;

static OPEN: AtomicUsize = AtomicUsize::new(0);
static CLOSED: AtomicUsize = AtomicUsize::new(0);

struct Handle(std::sync::Mutex<Connection>);

impl Handle {
    fn open(path: &std::path::Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "memory")?;
        connection.pragma_update(None, "synchronous", "off")?;
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        connection.execute("create table if not exists visits (n integer)", [])?;
        // Takes the exclusive lock, and fails if another connection has it.
        connection.execute("insert into visits values (1)", [])?;
        assert_eq!(OPEN.fetch_add(1, SeqCst), 0, "two connections at once");
        Ok(Self(std::sync::Mutex::new(connection)))
    }

    /// A close that takes a few turns, as a protocol's goodbye does.
    #[async_fn(send)]
    async fn close(self) {
        for _ in 0..3 {
            yield_now().await;
        }
        OPEN.fetch_sub(1, SeqCst);
        CLOSED.fetch_add(1, SeqCst);
        drop(self);
    }
}

#[async_fn(send)]
async fn session(path: &std::path::Path, cancel_after: usize) -> Reason {
    scope!(|s| {
        let handle = s.own(Handle::open(path).expect("the file is not locked"), Handle::close);
        let work = s.spawn(async move {
            let inserted = handle.0.lock().unwrap().execute("insert into visits values (2)", []);
            inserted.expect("the connection is open");
            pending::<()>().or_cancelled().await.unwrap_err().reason()
        });
        for _ in 0..cancel_after {
            yield_now().await;
        }
        s.cancel();
        work.await.unwrap()
    })
    .await
}

#[test]
fn ten_thousand_cancels_and_reopens_never_see_two_connections() {
    let folder = std::env::temp_dir().join(format!("async-scope-stories-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("visits.sqlite");
    let cycles = 10_000;
    for cycle in 0..cycles {
        assert_eq!(block_on(session(&path, cycle % 4)), Reason::Requested);
        assert_eq!((OPEN.load(SeqCst), CLOSED.load(SeqCst)), (0, cycle + 1));
    }
    let connection = Connection::open(&path).unwrap();
    let visits: usize = connection.query_row("select count(*) from visits", [], |row| row.get(0)).unwrap();
    assert_eq!(visits, 2 * cycles, "every cycle has written both of its rows");
    drop(connection);
    std::fs::remove_dir_all(folder).unwrap();
}
