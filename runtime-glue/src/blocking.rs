//! placeholder of the lead; h2 replaces this file.
pub(crate) fn spawn(job: crate::BlockingJob) {
    std::thread::spawn(move || job.run());
}
