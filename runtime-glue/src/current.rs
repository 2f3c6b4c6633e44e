//! placeholder of the lead; h2 replaces this file.
use crate::{Runtime, RuntimeHandle, Work};
use std::sync::{LazyLock, Mutex, mpsc};
struct P(Mutex<mpsc::Sender<Work>>);
impl Runtime for P {
    fn schedule(&self, work: Work) {
        let _ = self.0.lock().unwrap().send(work);
    }
}
static POOL: LazyLock<P> = LazyLock::new(|| {
    let (tx, rx) = mpsc::channel::<Work>();
    let rx = std::sync::Arc::new(Mutex::new(rx));
    for _ in 0..2 {
        let rx = rx.clone();
        std::thread::spawn(move || {
            loop {
                let w = rx.lock().unwrap().recv();
                match w {
                    Ok(w) => w.run(),
                    Err(_) => return,
                }
            }
        });
    }
    P(Mutex::new(tx))
});
pub(crate) fn handle() -> RuntimeHandle {
    RuntimeHandle::from_static(&*POOL)
}
pub(crate) struct Enter;
pub(crate) fn enter(_: &RuntimeHandle) -> Enter {
    Enter
}
