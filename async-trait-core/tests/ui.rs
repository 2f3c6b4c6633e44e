//! What must not compile, and what rustc says about it. To bless new texts: `TRYBUILD=overwrite cargo test -p async-trait-core --test ui`.

#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
