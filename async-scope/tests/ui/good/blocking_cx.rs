use async_scope::scope;

fn main() {
    runtime_glue::block_on(scope!(|s| {
        let asked = s.spawn_blocking_with(|cx| cx.is_cancelled()).await.unwrap();
        assert!(!asked);
        s.spawn_blocking_with(|cx| {
            let asked = cx.is_cancelled();
            s.spawn(async move { asked });
        });
    }));
}
