//! `ScopeOptions`: what a scope is told before its body begins.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use runtime_glue::{Runtime, RuntimeHandle, task::StuckTask};

/// Options of a scope, passed first to its macro: `scope!(ScopeOptions::new().limit(4), |s| { .. })`. A value, so that it can
/// be named and shared.
///
/// ```
/// use async_scope::{ScopeOptions, scope};
///
/// let options = ScopeOptions::new().limit(4).name("downloads");
/// let n = runtime_glue::block_on(scope!(options, |s| { s.reserve().await.spawn(async { 1 }).await.unwrap() }));
/// assert_eq!(n, 1);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ScopeOptions {
    pub(crate) runtime: Option<RuntimeHandle>,
    pub(crate) limit: Option<usize>,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) report_after: Option<Duration>,
    pub(crate) report_to: Option<ReportTo>,
}

/// Where reports of stuck tasks go.
#[derive(Clone)]
pub(crate) struct ReportTo(pub(crate) Arc<dyn Fn(&StuckTask) + Send + Sync>);

impl fmt::Debug for ReportTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportTo").finish_non_exhaustive()
    }
}

impl ScopeOptions {
    /// No limit, no name, no deadline, the current runtime.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the scope's tasks on this runtime instead of the current one.
    pub fn on<R: Runtime + Clone>(mut self, runtime: &R) -> Self {
        self.runtime = Some(match (runtime as &dyn Any).downcast_ref::<RuntimeHandle>() {
            Some(handle) => handle.clone(),
            None => RuntimeHandle::new(runtime.clone()),
        });
        self
    }

    /// At most this many tasks that were spawned through `reserve` are alive at once. `spawn` does not wait and does not
    /// count.
    ///
    /// # Panics
    /// If `tasks` is 0: nothing could ever run.
    pub fn limit(mut self, tasks: usize) -> Self {
        assert!(tasks > 0, "a scope with a limit of 0 tasks could never run one");
        self.limit = Some(tasks);
        self
    }

    /// A name, for [`tree`](crate::Scope::tree) and reports. Named scopes are shown below the scope that they run in.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Asks the scope to finish at this time, with [`Reason::Deadline`](async_trait_core::Reason::Deadline).
    pub fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(at);
        self
    }

    /// How long a task may stay pending on a plain future after it was asked to finish, before it is reported once as stuck, with
    /// the future's type and the await's file and line. Default: 5 seconds.
    pub fn report_after(mut self, grace: Duration) -> Self {
        self.report_after = Some(grace);
        self
    }

    /// Where reports of stuck tasks go, instead of standard error (or `tracing`, with that feature).
    pub fn report_to(mut self, report: impl Fn(&StuckTask) + Send + Sync + 'static) -> Self {
        self.report_to = Some(ReportTo(Arc::new(report)));
        self
    }
}
