use async_scope::scope;
use std::sync::Mutex;

fn main() {
    let outside = Mutex::new(Vec::new());
    runtime_glue::block_on(scope!(|s| {
        let first: &String = s.own(String::from("owned"), |text| async move { assert_eq!(text, "owned") });
        let task = s.spawn(async move { first.len() });
        s.on_exit(async { outside.lock().unwrap().push(first.clone()) });
        let copy = first.clone();
        s.own(1, move |_| async move { assert_eq!(copy, "owned") });
        assert_eq!(task.await.unwrap(), 5);
    }));
    assert_eq!(*outside.lock().unwrap(), ["owned"]);
}
