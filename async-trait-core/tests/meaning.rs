//! What the macros write means what the user wrote: random functions, compared with the compiler's own `async fn`.

#[test]
fn random_functions_do_the_same_as_async_fns() {
    // Panics are part of it, and would fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    let events = test_meaning::check() + test_meaning_2021::check();
    let _ = std::panic::take_hook();
    assert!(events > 2000, "{events}");
}
