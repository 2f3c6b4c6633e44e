//! `Glue`: how expansions name this project's items and where rustc is told that their tokens stand.
//!
//! Tokens that we add carry the hygiene of the `macro_rules` in front (so lints know that they are no user's) and the place of the
//! user's code they stand for (so errors point there).

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::{Error, Result};

pub struct Glue {
    /// The word `unsafe` in front of the input: its hygiene is that of whoever answers for the expansion.
    unsafe_word: Span,
    krate: TokenStream,
}

impl Glue {
    /// Splits `unsafe [path to the crate] rest`.
    pub fn split(input: TokenStream) -> Result<(Self, TokenStream)> {
        let mut tokens = input.into_iter();
        match (tokens.next(), tokens.next()) {
            (Some(TokenTree::Ident(word)), Some(TokenTree::Group(krate)))
                if word == "unsafe" && krate.delimiter() == Delimiter::Bracket =>
            {
                Ok((Self { unsafe_word: word.span(), krate: krate.stream() }, tokens.collect()))
            }
            _ => Err(Error::new(
                Span::call_site(),
                "this macro is a detail of `#[async_fn]` and `async_block!`: use those",
            )),
        }
    }

    /// A span for tokens of ours that stand for the user's code at `user`.
    pub fn at(&self, user: Span) -> Span {
        self.unsafe_word.located_at(user)
    }

    /// A span for names that nobody else can name, at `user`.
    pub fn hygienic(user: Span) -> Span {
        Span::mixed_site().located_at(user)
    }

    /// The crate's path, at a span made by [`at`](Self::at).
    pub fn krate(&self, here: Span) -> TokenStream {
        self.krate
            .clone()
            .into_iter()
            .map(|mut token| {
                // The hygiene of `$crate` is that of the word: both come from one `macro_rules`.
                token.set_span(here);
                token
            })
            .collect()
    }

    /// An item that only expansions name, at a span made by [`at`](Self::at).
    pub fn private(&self, here: Span, name: &str) -> TokenStream {
        let (krate, name) = (self.krate(here), Ident::new(name, here));
        quote_spanned! {here=> #krate::__private::#name }
    }

    /// `unsafe { tokens }`, at a span made by [`at`](Self::at): whoever wrote the word answers for it.
    pub fn unsafe_block(here: Span, tokens: TokenStream) -> TokenStream {
        let word = Ident::new("unsafe", here);
        let block = group(Delimiter::Brace, here, tokens);
        quote_spanned! {here=> #word #block }
    }
}

pub fn group(delimiter: Delimiter, span: Span, tokens: TokenStream) -> TokenTree {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    group.into()
}
