//! `#[runtime_glue::main]` and `#[runtime_glue::test]`: the body becomes an async block, and `path::__entry!`, a `macro_rules` of
//! runtime-glue, says who runs it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Error, Expr, Path, Result, ReturnType, Signature, Token, Visibility,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _},
};

use crate::options;

enum Runner {
    Default,
    On(Expr),
    Tokio,
    Seeds(TokenStream),
}

struct Entry {
    runner: Runner,
    krate: Path,
}

impl Entry {
    fn parse(input: ParseStream<'_>, is_test: bool) -> Result<Self> {
        let (mut runner, mut krate, mut deterministic) = (None, None, None);
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            let twice = match name.to_string().as_str() {
                "on" => {
                    input.parse::<Token![=]>()?;
                    runner.replace(Runner::On(input.parse()?)).is_some()
                }
                "tokio" => runner.replace(Runner::Tokio).is_some(),
                "crate" => {
                    input.parse::<Token![=]>()?;
                    krate.replace(options::path(input)?).is_some()
                }
                "deterministic" if is_test => deterministic.replace(name.span()).is_some(),
                "seeds" if is_test => {
                    input.parse::<Token![=]>()?;
                    let seeds: Expr = input.parse()?;
                    runner.replace(Runner::Seeds(quote!(#seeds))).is_some()
                }
                _ if is_test => {
                    return Err(Error::new(
                        name.span(),
                        "expected `on = EXPR`, `tokio`, `deterministic`, `seeds = A..B` or `crate = path`",
                    ));
                }
                _ => return Err(Error::new(name.span(), "expected `on = EXPR`, `tokio` or `crate = path`")),
            };
            if twice {
                return Err(Error::new(name.span(), "the runtime is named twice"));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let runner = match (deterministic, runner) {
            (None, None) => Runner::Default,
            (None, Some(Runner::Seeds(seeds))) => {
                return Err(Error::new_spanned(seeds, "`seeds` goes with `deterministic`"));
            }
            (None, Some(runner)) => runner,
            (Some(_), None) => Runner::Seeds(quote!(0..100)),
            (Some(_), Some(seeds @ Runner::Seeds(_))) => seeds,
            (Some(span), Some(_)) => return Err(Error::new(span, "the runtime is named twice")),
        };
        Ok(Self { runner, krate: krate.unwrap_or_else(|| syn::parse_quote!(::runtime_glue)) })
    }
}

struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, None)
}

pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    // By its full name, since `test` may be this attribute where it is used.
    expand(args, item, Some(quote!(#[::core::prelude::v1::test])))
}

fn expand(args: TokenStream, item: TokenStream, test: Option<TokenStream>) -> TokenStream {
    let entry = (|input: ParseStream<'_>| Entry::parse(input, test.is_some())).parse2(args);
    let function = syn::parse2::<Function>(item.clone());
    match (entry, function) {
        (Ok(entry), Ok(function)) => function.into_tokens(entry, test).unwrap_or_else(Error::into_compile_error),
        (Err(error), _) | (_, Err(error)) => error.into_compile_error(),
    }
}

impl Function {
    fn into_tokens(self, Entry { runner, krate }: Entry, test: Option<TokenStream>) -> Result<TokenStream> {
        let Self { attrs, vis, sig, body } = self;
        let Signature { constness, asyncness, unsafety, abi, fn_token, ident, generics, inputs, output, .. } = sig;
        let what = if test.is_some() { "test" } else { "main" };
        if asyncness.is_none() {
            return Err(Error::new(
                fn_token.span,
                format!("`#[runtime_glue::{what}]` goes on an `async fn`: write `async` before `fn`"),
            ));
        }
        if constness.is_some() || unsafety.is_some() || abi.is_some() || !generics.params.is_empty() {
            return Err(Error::new(
                fn_token.span,
                format!("`#[runtime_glue::{what}]` goes on a plain `async fn`, without generics"),
            ));
        }
        if let Some(argument) = inputs.first() {
            return Err(Error::new_spanned(argument, format!("`#[runtime_glue::{what}]` has nothing to pass here")));
        }
        let yields = match &output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, output) => quote!(#output),
        };
        let here = Span::mixed_site();
        let (runner, output) = match runner {
            Runner::Default => (quote!(default), output),
            Runner::On(runtime) => (quote!(on #runtime), output),
            Runner::Tokio => (quote!(tokio), output),
            // Run many times, each of which must be a success.
            Runner::Seeds(seeds) => (quote!(seeds #seeds), ReturnType::Default),
        };
        Ok(quote_spanned! {here=>
            #test #(#attrs)* #vis #fn_token #ident() #output { #krate::__entry! { [#runner] [#yields] #body } }
        })
    }
}
