//! The progress state: counters that everyone adds to, and the bar that shows them if somebody watches.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

/// Shared by all tasks and jobs.
pub(crate) struct Progress {
    bytes: AtomicU64,
    done: AtomicU64,
    counted: AtomicU64,
    stopping: AtomicBool,
    shown: bool,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let shown = io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = "{elapsed_precise} {bar:32.cyan/blue} {human_pos} of {human_len} files, {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant"));
        let zero = || AtomicU64::new(0);
        Self { bytes: zero(), done: zero(), counted: zero(), stopping: AtomicBool::new(false), shown, bar }
    }

    /// Whether there is a terminal to draw on.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    pub(crate) fn counted(&self) {
        self.counted.fetch_add(1, Relaxed);
    }

    /// Shows the counters as they are now.
    pub(crate) fn draw(&self) {
        let (bytes, done) = (self.bytes.load(Relaxed), self.done.load(Relaxed));
        self.bar.set_length(self.counted.load(Relaxed).max(done));
        self.bar.set_position(done);
        if !self.stopping.load(Relaxed) {
            let rate = bytes as f64 / self.bar.elapsed().as_secs_f64();
            self.bar.set_message(format!("{}, {}/s", BinaryBytes(bytes), BinaryBytes(rate as u64)));
        }
    }

    /// From now on the bar says that the end is near.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Relaxed);
        self.bar.set_message("stopping");
    }

    /// A message on standard error, above the bar.
    pub(crate) fn message(&self, text: &[u8]) {
        // If nobody listens on standard error there is nobody to tell.
        self.suspend(|| io::stderr().write_all(text).unwrap_or_default());
    }

    /// Runs `f`, which writes to the terminal, with the bar out of the way.
    pub(crate) fn suspend<R>(&self, f: impl FnOnce() -> R) -> R {
        if self.shown { self.bar.suspend(f) } else { f() }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
