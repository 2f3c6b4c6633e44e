//! The macros of std in an async body: what is awaited in their arguments is computed first and handed in as variables.
//!
//! ```text
//! println!("{} {b}", a.await, b = f())    match (&a.await, &f()) { (a1, a2) => println!("{} {b}", *a1, b = *a2) }
//! vec![a.await, b.await]                  match (a.await, b.await) { (a1, a2) => vec![a1, a2] }
//! assert!(a.await, "no {}", b.await)      match a.await { a1 => if !a1 { match (&b.await,) { (a2,) => assert!(a1, "no {}", *a2) } } }
//! matches!(a.await, Some(_) if b)         match a.await { Some(_) if b => true, _ => false }
//! ```
//!
//! If one argument has an await, all are computed in the order in which they are written, but for places and literals; only the
//! destination of `write!` stays where it is. A `match` keeps the temporaries of the arguments as long as the macro itself does.
//! The name of the macro and its other tokens are left as they are: if a user has a macro of that name, it gets the variables,
//! never an await.

use proc_macro2::{Delimiter, Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    Expr, ExprAssign, ExprLit, Lit, Macro, MacroDelimiter, Pat, Result, Token,
    parse::{ParseStream, Parser as _},
    punctuated::Punctuated,
    spanned::Spanned as _,
    visit_mut::VisitMut as _,
};

use crate::{
    body::{Rewriter, mentions_async},
    glue::{Glue, group},
};

type Args = Punctuated<Expr, Token![,]>;

/// How a macro of std treats its arguments.
#[derive(Clone, Copy)]
enum Kind {
    /// A format string, then references.
    Format,
    /// A destination, then as `Format`.
    Write,
    /// `panic!` and its like: as `Format`, but without a string the edition of 2018 takes any value.
    Panic,
    /// A condition, then a format string and references, which are not looked at if it holds.
    Assert {
        debug: bool,
    },
    /// Two references, then as `Assert`; the operator that must hold between them.
    Compare {
        equal: bool,
        debug: bool,
    },
    Vec,
    Matches,
    Dbg,
}

fn kind(mac: &Macro) -> Option<Kind> {
    let segments: Vec<_> = mac.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let name = match segments.as_slice() {
        [name] if mac.path.leading_colon.is_none() => name,
        [krate, name] if ["std", "core", "alloc"].contains(&krate.as_str()) => name,
        _ => return None,
    };
    Some(match name.as_str() {
        "print" | "println" | "eprint" | "eprintln" | "format" => Kind::Format,
        "write" | "writeln" => Kind::Write,
        "panic" | "todo" | "unimplemented" | "unreachable" => Kind::Panic,
        "assert" => Kind::Assert { debug: false },
        "debug_assert" => Kind::Assert { debug: true },
        "assert_eq" => Kind::Compare { equal: true, debug: false },
        "assert_ne" => Kind::Compare { equal: false, debug: false },
        "debug_assert_eq" => Kind::Compare { equal: true, debug: true },
        "debug_assert_ne" => Kind::Compare { equal: false, debug: true },
        "vec" => Kind::Vec,
        "matches" => Kind::Matches,
        "dbg" => Kind::Dbg,
        _ => return None,
    })
}

/// The expression that takes the place of `mac`, or `None` if it stays as it is.
pub fn rewrite(mac: &Macro, rewriter: &mut Rewriter<'_>) -> Option<TokenStream> {
    let kind = kind(mac)?;
    if !mentions_async(mac.tokens.clone()) {
        return None;
    }
    match kind {
        Kind::Matches => return matches(mac, rewriter),
        Kind::Vec if let Ok((value, semicolon, count)) = repeat.parse2(mac.tokens.clone()) => {
            return vec_repeat(mac, value, semicolon, count, rewriter);
        }
        _ => {}
    }
    let args = Args::parse_terminated.parse2(mac.tokens.clone()).ok()?;
    let call = Call::new(mac, rewriter);
    match kind {
        Kind::Panic if args.first().is_some_and(|first| !is_string(first)) => call.values(args),
        Kind::Format => call.format(args, true),
        Kind::Panic => call.format(args, false),
        Kind::Write => call.write(args),
        Kind::Vec => call.values(args),
        Kind::Assert { debug } => call.assert(args, debug),
        Kind::Compare { equal, debug } => call.compare(args, equal, debug),
        Kind::Dbg => call.dbg(args),
        Kind::Matches => None,
    }
}

/// `matches!` is written out: its pattern and guard may not be separated from its value.
fn matches(mac: &Macro, rewriter: &mut Rewriter<'_>) -> Option<TokenStream> {
    let parse = |input: ParseStream<'_>| -> Result<(Expr, Pat, Option<Expr>)> {
        let value = input.parse()?;
        input.parse::<Token![,]>()?;
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        let guard = if input.parse::<Option<Token![if]>>()?.is_some() { Some(input.parse()?) } else { None };
        input.parse::<Option<Token![,]>>()?;
        Ok((value, pattern, guard))
    };
    let (mut value, pattern, mut guard) = parse.parse2(mac.tokens.clone()).ok()?;
    rewriter
        .rewrites(|rewriter| {
            rewriter.visit_expr_mut(&mut value);
            if let Some(guard) = &mut guard {
                rewriter.visit_expr_mut(guard);
            }
        })
        .then(|| {
            let here = rewriter.glue.at(mac.path.span());
            let guard = guard.map(|guard| quote_spanned! {here=> if #guard });
            quote_spanned! {here=> match (#value) { #pattern #guard => true, _ => false } }
        })
}

fn repeat(input: ParseStream<'_>) -> Result<(Expr, Token![;], Expr)> {
    Ok((input.parse()?, input.parse()?, input.parse()?))
}

fn vec_repeat(
    mac: &Macro,
    value: Expr,
    semicolon: Token![;],
    count: Expr,
    rewriter: &mut Rewriter<'_>,
) -> Option<TokenStream> {
    let mut call = Call::new(mac, rewriter);
    let mut args = [value, count];
    let taken = call.take(&mut args, By::Value)?;
    let [value, count] = args;
    let inner = call.with(quote_spanned! {call.here=> #value #semicolon #count });
    Some(taken.around(inner, call.here))
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Value,
    Reference,
    MutReference,
}

/// What was taken out of a call, and the variables that stand for it.
#[derive(Default)]
struct Taken {
    variables: Vec<Ident>,
    values: Vec<TokenStream>,
}

impl Taken {
    /// `inner`, with the variables in scope.
    fn around(&self, inner: TokenStream, here: Span) -> TokenStream {
        let Self { variables, values } = self;
        match (variables.as_slice(), values.as_slice()) {
            ([], []) => inner,
            ([variable], [value]) => quote_spanned! {here=> match (#value) { #variable => #inner } },
            _ => quote_spanned! {here=> match (#(#values,)*) { (#(#variables,)*) => #inner } },
        }
    }

    fn add(&mut self, value: &mut Expr, by: By, name: Ident, glue: &Glue) {
        let here = glue.at(value.span());
        let (taken, used) = match by {
            By::Value => (quote_spanned! {here=> #value }, quote_spanned! {here=> #name }),
            By::Reference => (quote_spanned! {here=> &(#value) }, quote_spanned! {here=> *#name }),
            By::MutReference => (quote_spanned! {here=> &mut (#value) }, quote_spanned! {here=> *#name }),
        };
        self.variables.push(name);
        self.values.push(taken);
        *value = Expr::Verbatim(used);
    }
}

/// A call of a macro of std, whose arguments are being rewritten.
struct Call<'m, 'r, 'g> {
    mac: &'m Macro,
    rewriter: &'r mut Rewriter<'g>,
    here: Span,
    /// Numbers the variables.
    variables: usize,
}

impl<'m, 'r, 'g> Call<'m, 'r, 'g> {
    fn new(mac: &'m Macro, rewriter: &'r mut Rewriter<'g>) -> Self {
        let here = rewriter.glue.at(mac.path.span());
        Self { mac, rewriter, here, variables: 0 }
    }

    fn rewrite(&mut self, args: &mut [Expr]) -> bool {
        self.rewriter.rewrites(|rewriter| args.iter_mut().for_each(|arg| rewriter.visit_expr_mut(arg)))
    }

    /// Takes everything out, and puts variables in its place; `None` if nothing is rewritten. What has no await is taken out as
    /// well, so that all is computed in order and dropped together.
    fn take(&mut self, args: &mut [Expr], by: By) -> Option<Taken> {
        let mut rewritten = false;
        for arg in &mut *args {
            rewritten |= self.rewrite(std::slice::from_mut(value_mut(arg)));
        }
        if !rewritten {
            return None;
        }
        let mut taken = Taken::default();
        for value in args.iter_mut().map(value_mut).filter(|value| !is_still(value)) {
            self.variables += 1;
            let name = format!("__awaited{}", self.variables);
            taken.add(value, by, Ident::new(&name, Glue::hygienic(value.span())), self.rewriter.glue);
        }
        Some(taken)
    }

    /// The arguments of a format string, which itself stays: it is read by the macro.
    fn take_formatted(&mut self, args: &mut [Expr]) -> Option<Taken> {
        self.take(args.split_first_mut()?.1, By::Reference)
    }

    /// The macro with other arguments.
    fn with(&self, args: TokenStream) -> TokenStream {
        let Macro { path, bang_token, delimiter, .. } = self.mac;
        let (delimiter, span) = match delimiter {
            MacroDelimiter::Paren(paren) => (Delimiter::Parenthesis, paren.span.join()),
            MacroDelimiter::Brace(brace) => (Delimiter::Brace, brace.span.join()),
            MacroDelimiter::Bracket(bracket) => (Delimiter::Bracket, bracket.span.join()),
        };
        let args = group(delimiter, span, args);
        quote_spanned! {self.here=> #path #bang_token #args }
    }

    fn with_list(&self, args: &[Expr]) -> TokenStream {
        self.with(quote_spanned! {self.here=> #(#args),* })
    }

    fn values(mut self, args: Args) -> Option<TokenStream> {
        let mut args: Vec<_> = args.into_iter().collect();
        let taken = self.take(&mut args, By::Value)?;
        Some(taken.around(self.with_list(&args), self.here))
    }

    /// Their own expansion drops the temporaries of the arguments before it yields: so does the block here.
    fn format(mut self, args: Args, returns: bool) -> Option<TokenStream> {
        let mut args: Vec<_> = args.into_iter().collect();
        let taken = self.take_formatted(&mut args)?;
        let here = self.here;
        let (call, result) = (taken.around(self.with_list(&args), here), Ident::new("result", Glue::hygienic(here)));
        Some(if returns {
            quote_spanned! {here=> { let #result = #call; #result } }
        } else {
            quote_spanned! {here=> { #call; } }
        })
    }

    /// The macro borrows its destination as a place: it is taken out only if it has an await in it.
    fn write(mut self, args: Args) -> Option<TokenStream> {
        let mut args: Vec<_> = args.into_iter().collect();
        let (destination, formatted) = args.split_at_mut_checked(1)?;
        let destination = self.take(destination, By::MutReference);
        let formatted = self.take_formatted(formatted);
        if destination.is_none() && formatted.is_none() {
            return None;
        }
        let inner = formatted.unwrap_or_default().around(self.with_list(&args), self.here);
        Some(destination.unwrap_or_default().around(inner, self.here))
    }

    fn assert(mut self, args: Args, debug: bool) -> Option<TokenStream> {
        let mut args: Vec<_> = args.into_iter().collect();
        let (condition, message) = args.split_at_mut_checked(1)?;
        // The name is what the panic says: "assertion failed: is_ready_await".
        let name = Ident::new(&spoken(&condition[0]), Glue::hygienic(condition[0].span()));
        let rewritten = self.rewrite(condition);
        let lazy = self.take_formatted(message);
        if !rewritten && lazy.is_none() {
            return None;
        }
        let (mut checked, here) = (Taken::default(), self.here);
        checked.add(&mut condition[0], By::Value, name.clone(), self.rewriter.glue);
        let call = self.with_list(&args);
        let call = match lazy.map(|lazy| lazy.around(call.clone(), here)) {
            Some(failing) => quote_spanned! {here=> if !#name { #failing } },
            None => call,
        };
        Some(self.debug_only(debug, checked.around(call, here)))
    }

    fn compare(mut self, args: Args, equal: bool, debug: bool) -> Option<TokenStream> {
        let mut args: Vec<_> = args.into_iter().collect();
        let (sides, message) = args.split_at_mut_checked(2)?;
        let rewritten = self.rewrite(sides);
        let lazy = self.take_formatted(message);
        if !rewritten && lazy.is_none() {
            return None;
        }
        let (mut checked, here) = (Taken::default(), self.here);
        let [left, right] = ["__left", "__right"].map(|name| Ident::new(name, Glue::hygienic(here)));
        for (side, name) in sides.iter_mut().zip([&left, &right]) {
            checked.add(side, By::Reference, name.clone(), self.rewriter.glue);
        }
        let call = self.with_list(&args);
        let call = match lazy.map(|lazy| lazy.around(call.clone(), here)) {
            Some(failing) if equal => quote_spanned! {here=> if !(*#left == *#right) { #failing } },
            Some(failing) => quote_spanned! {here=> if *#left == *#right { #failing } },
            None => call,
        };
        Some(self.debug_only(debug, checked.around(call, here)))
    }

    /// Debug assertions vanish where debug assertions are off, awaits and all.
    fn debug_only(&self, debug: bool, checked: TokenStream) -> TokenStream {
        if !debug {
            return checked;
        }
        let cfg = self.rewriter.glue.private(self.here, "cfg");
        quote_spanned! {self.here=> if #cfg!(debug_assertions) { #checked } }
    }

    /// `dbg!` is written out: it prints the source of its argument and gives the value back.
    fn dbg(mut self, args: Args) -> Option<TokenStream> {
        let sources: Vec<_> = args.iter().map(ToTokens::to_token_stream).collect();
        let mut args: Vec<_> = args.into_iter().collect();
        if !self.rewrite(&mut args) {
            return None;
        }
        let (here, user) = (self.here, self.mac.path.span());
        let place = quote_spanned! {user=> ::std::file!(), ::std::line!(), ::std::column!() };
        let value = Ident::new("__value", Glue::hygienic(here));
        let values = args.into_iter().zip(sources).map(|(arg, source)| {
            quote_spanned! {here=> match (#arg) {
                #value => {
                    ::std::eprintln!("[{}:{}:{}] {} = {:#?}", #place, ::std::stringify!(#source), &#value);
                    #value
                }
            } }
        });
        Some(match values.len() {
            1 => quote_spanned! {here=> #(#values)* },
            _ => quote_spanned! {here=> (#(#values),*) },
        })
    }
}

/// The value of `name = value`, which is how a format macro names an argument; else all of it.
fn value_mut(arg: &mut Expr) -> &mut Expr {
    match arg {
        Expr::Assign(ExprAssign { right, .. }) => right,
        other => other,
    }
}

/// Whether it makes no difference when this is computed: a place or a literal.
fn is_still(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Lit(_) => true,
        Expr::Field(field) => is_still(&field.base),
        Expr::Reference(reference) => is_still(&reference.expr),
        Expr::Paren(paren) => is_still(&paren.expr),
        Expr::Group(group) => is_still(&group.expr),
        _ => false,
    }
}

fn is_string(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) | Expr::Macro(_) => true,
        Expr::Group(group) => is_string(&group.expr),
        _ => false,
    }
}

/// An expression as a name: `client.get(1).await` is `client_get_1_await`.
fn spoken(expr: &Expr) -> String {
    let source = expr.to_token_stream().to_string();
    let words = source.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = String::new();
    for word in words {
        if !name.is_empty() || word.starts_with(|c: char| c.is_numeric()) {
            name.push('_');
        }
        name.push_str(word);
        if name.len() > 60 {
            break;
        }
    }
    let is_keyword = syn::parse_str::<Ident>(&name).is_err();
    if is_keyword { format!("condition_{name}").trim_end_matches('_').to_owned() } else { name }
}
