//! Actor that owns a database handle: `bracket` for a transaction, `on_exit` for the connection. EXPECT: "commit", "close", "after"
#![expect(dead_code, reason = "the program shows less than a real one would use")]
use async_cancel::{Cancelled, OrCancelled as _, bracket, finally};
use async_scope::{async_block, async_fn, scope};
use tokio::sync::{mpsc, oneshot};
struct Db; struct Tx; #[derive(Debug)] enum DbError { Cancelled(Cancelled) } impl From<Cancelled> for DbError { fn from(c: Cancelled) -> Self { DbError::Cancelled(c) } }
impl Db {
    #[async_fn(send)] async fn begin(&self) -> Result<Tx, DbError> { async_cancel::checkpoint().await?; Ok(Tx) }
    #[async_fn(send)] async fn close(self) { println!("close") }
}
impl Tx { #[async_fn(send)] async fn put(&mut self, _v: u32) -> Result<(), DbError> { Ok(()) } #[async_fn(send)] async fn end(self, commit: bool) { println!("{}", if commit { "commit" } else { "rollback" }) } }
struct Put(u32, oneshot::Sender<Result<(), DbError>>);
#[async_fn(send)]
async fn actor(db: Db, mut inbox: mpsc::Receiver<Put>) {
    scope!(|s| {
        let db = s.own(db, Db::close);                           // &'scope Db; closed last of all, shielded, awaited: no reopen can race it
        while let Ok(Some(Put(v, reply))) = inbox.recv().or_cancelled().await {
            let r = bracket!(db.begin(), |tx| -> Result<(), DbError> { tx.put(v).await?; Ok(()) }, |tx, done| tx.end(done.is_ok()).await).await;
            let _ = reply.send(r);
        }
    }).await
}
fn main() {
    runtime_glue::block_on(async_block! {
        let (db, (tx, rx)) = (Db, mpsc::channel(8));
        let (otx, _orx) = oneshot::channel(); tx.send(Put(1, otx)).await.ok(); drop(tx);
        finally(actor(db, rx), async { println!("after") }).await;
    });
}
