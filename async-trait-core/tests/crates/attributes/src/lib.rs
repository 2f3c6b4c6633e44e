//! Attribute macros that the tests of `async-trait-core` put beside `#[async_fn]`.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// Leaves the item as it is.
#[proc_macro_attribute]
pub fn keep(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Adds `pub const SAW: &str` (or the name in its argument) with the tokens it was given.
#[proc_macro_attribute]
pub fn sees(name: TokenStream, item: TokenStream) -> TokenStream {
    let name = if name.is_empty() { "SAW".to_owned() } else { name.to_string() };
    let saw: TokenStream = format!("#[doc = \"What it saw.\"] pub const {name}: &str = {:?};", item.to_string())
        .parse()
        .unwrap_or_default();
    item.into_iter().chain(saw).collect()
}

/// Puts `#[test_attributes::keep]` on the item: an attribute that was not there before.
#[proc_macro_attribute]
pub fn adds_another(_: TokenStream, item: TokenStream) -> TokenStream {
    let another: TokenStream = "#[test_attributes::keep]".parse().unwrap_or_default();
    item.into_iter().chain([]).fold(another, |mut all, token| {
        all.extend([token]);
        all
    })
}

/// Puts an inert attribute of a tool on the item.
#[proc_macro_attribute]
pub fn adds_a_tool(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut all: TokenStream = "#[rustfmt::skip]".parse().unwrap_or_default();
    all.extend(item);
    all
}

/// Takes every `.await` away: a thief of what is awaited.
#[proc_macro_attribute]
pub fn strips_awaits(_: TokenStream, item: TokenStream) -> TokenStream {
    strip(item)
}

/// As an attribute of the name `skip`, for a local `mod rustfmt`.
#[proc_macro_attribute]
pub fn skip(_: TokenStream, item: TokenStream) -> TokenStream {
    strip(item)
}

fn strip(tokens: TokenStream) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word)
                if is_await(&word) && matches!(out.last(), Some(TokenTree::Punct(dot)) if dot.as_char() == '.') =>
            {
                out.pop();
            }
            TokenTree::Group(group) => {
                let inner = strip(group.stream());
                let mut stripped = Group::new(group.delimiter(), inner);
                stripped.set_span(group.span());
                out.push(stripped.into());
            }
            other => out.push(other),
        }
    }
    out.into_iter().collect()
}

fn is_await(word: &Ident) -> bool {
    word.to_string() == "await"
}

/// Wraps the body in an async block of its own, as attributes for tracing do.
#[proc_macro_attribute]
pub fn wraps_the_body(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    if let Some(TokenTree::Group(body)) = tokens.pop() {
        let mut inner: TokenStream = "async move".parse().unwrap_or_default();
        inner.extend([TokenTree::Group(body)]);
        let mut wrapped: TokenStream = TokenTree::Group(Group::new(Delimiter::None, inner)).into();
        wrapped.extend(".await".parse::<TokenStream>().unwrap_or_default());
        tokens.push(Group::new(Delimiter::Brace, wrapped).into());
    }
    tokens.into_iter().collect()
}
