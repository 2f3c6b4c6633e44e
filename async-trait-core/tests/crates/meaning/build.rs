//! Writes random async functions: expressions with awaits in every place, std's macros, blocks, loops, early returns, and
//! temporaries whose drops are seen.

use std::{env, fmt::Write as _, fs, path::Path};

const FUNCTIONS: usize = 30;

/// A small generator of pseudo-random numbers: Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

struct Writer {
    random: Random,
    /// The variables in scope.
    scope: Vec<String>,
    names: u32,
}

impl Writer {
    fn leaf(&mut self) -> String {
        let variables = self.scope.len() as u64;
        match self.random.below(variables + 1) {
            0 => format!("{}i64", self.random.below(10)),
            n => self.scope[n as usize - 1].clone(),
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn with(&mut self, name: &str, write: impl FnOnce(&mut Self) -> String) -> String {
        self.scope.push(name.to_owned());
        let written = write(self);
        self.scope.pop();
        written
    }

    /// An expression of type `i64`.
    fn number(&mut self, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else { return self.leaf() };
        let a = self.number(depth);
        match self.random.below(23) {
            0 => format!("(l.later({a}).await)"),
            1 => format!("l.later({a}).await"),
            2 => format!("{a}.wrapping_add({})", self.number(depth)),
            3 => format!("l.note({a})"),
            4 => format!("(if {} {{ {} }} else {{ {} }})", self.truth(depth), self.block(depth), self.block(depth)),
            5 => format!(
                "(match {a} {{ x if x > {} => {}, 3 => {}, _ => {} }})",
                self.leaf(),
                self.with("x", |this| this.number(depth)),
                self.number(depth),
                self.number(depth)
            ),
            6 => format!(
                "(format!(\"{{}}-{{:?}}{{n}}\", {a}, {}, n = {}).len() as i64)",
                self.number(depth),
                self.number(depth)
            ),
            7 => format!("(format!(\"{{}}\", {a} / 2 - 1).len() as i64)"),
            8 => format!("vec![{a}, {}, {}].iter().fold(0, |a: i64, b| a ^ b)", self.number(depth), self.number(depth)),
            9 => format!("(vec![{a}; ({} & 3) as usize].len() as i64)", self.number(depth)),
            10 => format!("(matches!({a}, 1 | 3..=6 if {}) as i64)", self.truth(depth)),
            11 => format!("{{ {} }}", self.block(depth)),
            12 => format!("[{a}, {}][({} & 1) as usize]", self.number(depth), self.number(depth)),
            13 => format!("({a}, {}).1", self.number(depth)),
            14 => format!("l.maybe({a}).await.unwrap_or({})", self.number(depth)),
            15 => format!("l.noisy({a}).get({})", self.number(depth)),
            16 => format!("l.later_noisy({a}).await.get({})", self.number(depth)),
            17 => format!("(async {{ {} }}).await", self.block(depth)),
            18 => format!("(&l.noisy({a})).get({})", self.number(depth)),
            19 => format!("{{ let c = |y: i64| y ^ {}; c({a}) }}", self.leaf()),
            20 => format!("({a}) as i32 as i64"),
            21 => format!(
                "{{ let made = [1i64, 2].map(|y| async move {{ {} }}); let [one, two] = made; one.await ^ two.await }}",
                self.with("y", |this| this.number(depth))
            ),
            _ => format!("-({a} & 7)"),
        }
    }

    /// An expression of type `bool`.
    fn truth(&mut self, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else { return "true".to_owned() };
        let a = self.number(depth);
        match self.random.below(6) {
            0 => format!("({a} > {})", self.number(depth)),
            1 => format!("l.is_even({a}).await"),
            2 => format!("(l.is_even({a}).await && {})", self.truth(depth)),
            3 => format!("(l.is_even({a}).await || {})", self.truth(depth)),
            4 => format!("matches!({a}, 0..=4)"),
            _ => format!("!({a} == {})", self.number(depth)),
        }
    }

    /// Statements and a last expression of type `i64`.
    fn block(&mut self, depth: u32) -> String {
        let outer = self.scope.len();
        let mut written = String::new();
        let inner = depth.saturating_sub(1);
        for _ in 0..self.random.below(3) {
            let (name, a) = (self.name(), self.number(inner));
            let statement = match self.random.below(12) {
                0 => {
                    let statement = format!("let {name} = {a};");
                    self.scope.push(name);
                    statement
                }
                1 => {
                    let statement = format!(
                        "let ({name}, _, _z) = ({a}, l.noisy({}), l.noisy({}));",
                        self.number(inner),
                        self.leaf()
                    );
                    self.scope.push(name);
                    statement
                }
                2 => format!("let _ = l.later_noisy({a}).await;"),
                3 => format!("let _{name} = l.later_noisy({a}).await;"),
                4 => {
                    let statement =
                        format!("let Some({name}) = l.maybe({a}).await else {{ return {} }};", self.number(inner));
                    self.scope.push(name);
                    statement
                }
                5 => format!(
                    "if let Some({name}) = l.maybe({a}).await {{ {}; }}",
                    self.with(&name, |this| this.number(inner))
                ),
                6 => format!(
                    "for {name} in 0..({a} & 1) {{ if {} {{ continue; }} {}; }}",
                    self.truth(inner),
                    self.with(&name, |this| this.number(inner))
                ),
                7 => format!("{{ let mut i = 0; while i < 2 && {} {{ i += 1; {a}; }} }}", self.truth(inner)),
                8 => format!("assert!({} || true, \"{{}}\", {a});", self.truth(inner)),
                9 => format!("assert_eq!({a} & 0, 0, \"{{}} {{}}\", {}, {});", self.number(inner), self.number(inner)),
                10 => format!("assert_ne!({a} & 1, {}, \"{{}}\", {});", self.number(inner), self.number(inner)),
                _ => format!("if {} {{ return {a}; }}", self.truth(inner)),
            };
            written += &statement;
            written.push(' ');
        }
        written += &self.number(inner);
        self.scope.truncate(outer);
        written
    }
}

fn main() {
    println!("cargo::rerun-if-changed=../meaning/build.rs");
    println!("cargo::rerun-if-env-changed=MEANING_SEED");
    let seed = env::var("MEANING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1u64);
    // Mixed, since seeds are small numbers; and never zero, at which xorshift stays.
    let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut writer = Writer { random, scope: Vec::new(), names: 0 };

    let (mut bodies, mut table) = (String::new(), String::new());
    for number in 0..FUNCTIONS {
        let (parameters, arguments, first) = match writer.random.below(4) {
            0 => ("a: i64, p: Noisy", "l.noisy(77)", ""),
            1 => ("a: i64, _: Noisy", "l.noisy(77)", ""),
            2 => ("a: i64, _p: Noisy", "l.noisy(77)", ""),
            _ => ("mut a: i64, (p, _): (Noisy, Noisy)", "(l.noisy(77), l.noisy(78))", "a ^= 1; "),
        };
        writer.scope = vec!["a".to_owned()];
        let body = writer.block(4);
        let _ = writeln!(bodies, "async fn f{number}(l: &Ops, {parameters}) -> i64 {{ {first}{body} }}");
        let run = |module: &str, open: &str, close: &str| {
            format!(
                "|n| crate::record(move |log| {open} let l = {module}::Ops(log); let p = {arguments}; {module}::f{number}(&l, n, p).await {close})"
            )
        };
        let theirs = run("theirs", "async move {", "}");
        let ours = run("ours", "async_trait_core::async_block! { move", "}");
        let _ = writeln!(table, "(\"f{number}\", {theirs}, {ours}),");
    }
    let ours = bodies.replace("async fn", "#[async_trait_core::async_fn] pub async fn");
    let theirs = bodies.replace("async fn", "pub async fn");
    let generated = format!(
        "pub const SEED: u64 = {seed};
        pub mod theirs {{ operations!(); {theirs} }}
        pub mod ours {{ operations!(#[async_trait_core::async_fn]); {ours} }}
        pub const FUNCTIONS: [(&str, fn(i64) -> crate::Run, fn(i64) -> crate::Run); {FUNCTIONS}] = [{table}];\n"
    );
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("generated.rs"), generated).expect("the directory for output can be written to");
}
