use async_scope::scope;

fn main() {
    let text = String::from("outlives the scope");
    let mut kept = Vec::new();
    let handle = runtime_glue::block_on(scope!(|s| {
        kept.push(s.spawn(async { text.as_str() }));
        s.spawn(async { 5 })
    }));
    assert_eq!(runtime_glue::block_on(handle).unwrap(), 5);
    for handle in kept {
        assert_eq!(runtime_glue::block_on(handle).unwrap(), text);
    }
}
