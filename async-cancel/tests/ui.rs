//! What must not compile, each with its good twin in the same file. To bless new texts:
//! `TRYBUILD=overwrite cargo test -p async-cancel --test ui`.
#![cfg(all(feature = "time", feature = "macros", not(loom)))]

#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
