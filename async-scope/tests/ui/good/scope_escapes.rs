use async_scope::{Scope, scope};

fn helper<'s>(s: &'s Scope<'s>, depth: u32) {
    if depth > 0 {
        s.spawn(async move { helper(s, depth - 1) });
    }
}

fn main() {
    runtime_glue::block_on(scope!(|outer| {
        let variable = Some(outer);
        variable.unwrap().spawn(async move { helper(outer, 3) });
        scope!(|inner| {
            inner.spawn(async move { outer.spawn(async {}).await.unwrap() });
            std::thread::scope(|threads| {
                threads.spawn(|| inner.cancel());
            });
        })
        .await;
        drop(outer.builder());
        drop(outer.try_reserve());
    }));
}
