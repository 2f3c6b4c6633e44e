use async_scope::local_scope;

async fn plain() {
    local_scope!(futures, |s| {
        s.spawn(async { std::future::ready(()).await });
        s.spawn(local_scope!(futures, |inner| { inner.spawn(async {}); }));
    })
    .await;
}

fn main() {
    runtime_glue::block_on(plain());
    drop(plain());
}
