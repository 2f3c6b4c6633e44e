use async_scope::scope;

fn main() {
    let mut data = vec![1, 2, 3];
    let value = scope!(|s| {
        s.spawn(async { println!("{}", data.len()) });
    });
    runtime_glue::block_on(value);
    data.push(4);
    drop(data);

    let value = {
        let data = vec![1, 2, 3];
        scope!(move |s| {
            let n = data.len();
            s.spawn(async move { println!("{n}") });
        })
    };
    runtime_glue::block_on(value);

    let mut numbers = [0, 0];
    let [a, b] = &mut numbers;
    runtime_glue::block_on(scope!(|s| {
        s.spawn(async { *a += 1 });
        s.spawn(async { *b += 1 });
    }));
    assert_eq!(numbers, [1, 1]);
}
