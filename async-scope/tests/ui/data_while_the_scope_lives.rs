//! What a scope borrows is borrowed for as long as its value lives, started or not. Good twin:
//! `good/data_while_the_scope_lives.rs`.
use async_scope::scope;

fn main() {
    let mut data = vec![1, 2, 3];
    let value = scope!(|s| {
        s.spawn(async { println!("{}", data.len()) });
    });
    data.push(4);
    runtime_glue::block_on(value);

    let data = vec![1, 2, 3];
    let value = scope!(|s| {
        s.spawn(async { println!("{}", data.len()) });
    });
    drop(data);
    runtime_glue::block_on(value);

    let value = {
        let data = vec![1, 2, 3];
        scope!(|s| {
            s.spawn(async { println!("{}", data.len()) });
        })
    };
    runtime_glue::block_on(value);

    let mut number = 0;
    runtime_glue::block_on(scope!(|s| {
        s.spawn(async { number += 1 });
        s.spawn(async { number += 1 });
    }));
}
