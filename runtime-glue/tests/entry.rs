//! `#[runtime_glue::main]` and `#[runtime_glue::test]`.

use std::{io, num::ParseIntError, time::Duration};

use runtime_glue::{Runtime, Work, spawn};

/// Runs everything where it is scheduled.
struct Inline;

impl Runtime for Inline {
    fn schedule(&self, work: Work) {
        work.run();
    }
}

#[runtime_glue::test]
async fn awaits_what_is_no_future() {
    assert_eq!(spawn(async { 6 * 7 }).await.unwrap(), 42);
}

#[runtime_glue::test]
async fn a_question_mark_finds_its_type() -> Result<(), Box<dyn std::error::Error>> {
    let n: u32 = "7".parse()?;
    if n != 7 {
        return Err("not seven")?;
    }
    Ok(())
}

#[runtime_glue::test(on = Inline)]
async fn on_a_runtime_of_ones_own() {
    assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
}

#[runtime_glue::test(crate = ::runtime_glue)]
#[should_panic(expected = "boom")]
async fn a_panic_comes_out() {
    let _: Result<u32, ParseIntError> = spawn(async { panic!("boom") }).await.unwrap_or_else(|error| {
        error.resume_panic();
        unreachable!()
    });
}

#[runtime_glue::test(deterministic, seeds = 0..10)]
async fn an_hour_passes_at_once_in_every_schedule() {
    let start = runtime_glue::now().await;
    let task = spawn(runtime_glue::sleep(Duration::from_secs(3600)));
    task.await.unwrap();
    assert_eq!(runtime_glue::now().await - start, Duration::from_secs(3600));
}

#[runtime_glue::test(deterministic)]
#[should_panic(expected = "the test yields an error: ParseIntError")]
async fn an_error_is_a_failure_in_every_schedule() -> Result<(), ParseIntError> {
    "x".parse::<u32>()?;
    Ok(())
}

#[cfg(feature = "tokio")]
#[runtime_glue::test(tokio)]
async fn on_a_tokio_runtime() {
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(spawn(async { tokio::spawn(async_trait_core::plain! { 1 }).await.unwrap() }).await.unwrap(), 1);
}

mod entry_point {
    use super::io;

    #[runtime_glue::main]
    pub async fn main() -> io::Result<()> {
        runtime_glue::spawn(async { Err(io::Error::other("as it is")) }).await.unwrap()
    }
}

#[test]
fn main_yields_what_its_body_does() {
    assert_eq!(entry_point::main().unwrap_err().to_string(), "as it is");
}
