//! Attributes that cannot be macros.
//!
//! An attribute macro that stands on code of ours would be handed rewritten awaits. So on the function and inside its body only
//! these names may be left when we expand: built-in attributes, which no macro can shadow (rustc reports an ambiguity). Tool
//! attributes like `rustfmt::skip` are not among them, for a local `mod rustfmt` makes them macros.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{Attribute, Error, Meta, Token, parse::Parser as _, punctuated::Punctuated};

use crate::body::Rewriter;

const BUILT_IN: &[&str] = &[
    "allow",
    "automatically_derived",
    "cfg",
    "cfg_attr",
    "cold",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "export_name",
    "forbid",
    "ignore",
    "inline",
    "link_section",
    "must_use",
    "no_mangle",
    "should_panic",
    "target_feature",
    "track_caller",
    "warn",
];

/// An attribute as tokens, for items that need not be parsed.
pub struct RawAttribute {
    pub tokens: TokenStream,
    pub name: String,
    pub span: Span,
}

/// Splits the outer attributes from an item.
pub fn split(item: TokenStream) -> (Vec<RawAttribute>, TokenStream) {
    let mut attributes = Vec::new();
    let mut tokens = item.into_iter().peekable();
    while matches!(tokens.peek(), Some(TokenTree::Punct(hash)) if hash.as_char() == '#') {
        let Some(hash) = tokens.next() else { break };
        match tokens.next() {
            Some(TokenTree::Group(content)) if content.delimiter() == Delimiter::Bracket => {
                attributes.push(RawAttribute {
                    name: name(content.stream()),
                    span: content.span(),
                    tokens: [hash, TokenTree::Group(content)].into_iter().collect(),
                });
            }
            other => return (attributes, [hash].into_iter().chain(other).chain(tokens).collect()),
        }
    }
    (attributes, tokens.collect())
}

/// The path of an attribute, without spaces: `a::b`.
fn name(content: TokenStream) -> String {
    let mut name = String::new();
    for token in content {
        match token {
            TokenTree::Ident(ident) if ident == "unsafe" && name.is_empty() => {}
            TokenTree::Ident(ident) => name.push_str(&ident.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => name.push(':'),
            TokenTree::Group(inner) if name.is_empty() => return self::name(inner.stream()),
            _ => break,
        }
    }
    name
}

/// Whether an attribute of this name can be no macro.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// Checks the attributes of a statement or expression in a body.
///
/// `rustfmt::` and `clippy::` attributes are dropped: they have done their work on the source, and left in place a local module of
/// that name could turn them into macros.
pub fn check(attrs: &mut Vec<Attribute>, rewriter: &mut Rewriter<'_>) {
    attrs.retain(|attr| {
        let tool = attr.path().segments.first().filter(|_| attr.path().segments.len() > 1);
        !tool.is_some_and(|tool| tool.ident == "rustfmt" || tool.ident == "clippy")
    });
    for attr in attrs {
        if !allowed(&attr.meta) {
            rewriter.error(Error::new_spanned(
                attr,
                "attribute macros may stand on items only in an async body: they would see its rewritten awaits",
            ));
        }
    }
}

pub fn allowed(meta: &Meta) -> bool {
    let Some(name) = meta.path().get_ident() else { return false };
    if name == "cfg_attr" {
        // What it turns into counts as well.
        let Ok(list) = meta.require_list() else { return false };
        let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
        return parser.parse2(list.tokens.clone()).is_ok_and(|metas| metas.iter().skip(1).all(allowed));
    }
    is_built_in(&name.to_string())
}
