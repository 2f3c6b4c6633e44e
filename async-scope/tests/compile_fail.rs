//! What must not compile, and what rustc says about it, each with a good twin in `ui/good`. To bless new texts:
//! `TRYBUILD=overwrite cargo test -p async-scope --test compile_fail`.

#[test]
fn compile_fail() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/good/*.rs");
}
