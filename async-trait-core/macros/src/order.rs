//! `#[async_fn]` as the compiler calls it: waits for its turn, checks what is left, and hands the function on unchanged.
//!
//! An attribute macro below ours would be handed what we emit. So unless only built-in attributes are left, the function is
//! emitted again with `#[async_fn(.., __last)]` after all of them: they expand first, and see the body as the user wrote it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Path};

use crate::{
    attributes::{self, RawAttribute},
    options::Options,
};

pub fn async_fn(args: TokenStream, item: TokenStream, default: impl FnOnce() -> Path) -> TokenStream {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => return failed(&error, &item),
    };
    let (attrs, function) = attributes::split(item);
    let (krate, shape) = (options.krate.clone().unwrap_or_else(default), options.shape());
    let others: Vec<_> = attrs.iter().filter(|attr| !attributes::is_built_in(&attr.name)).collect();
    let tokens = attrs.iter().map(|attr| &attr.tokens);
    match others.first() {
        None => quote! { #krate::__async_fn! { [#shape] #(#tokens)* #function } },
        Some(other) if options.last => unknown(other),
        Some(_) => quote! { #(#tokens)* #[#krate::async_fn(#shape crate = #krate, __last)] #function },
    }
}

fn unknown(attr: &RawAttribute) -> TokenStream {
    let RawAttribute { name, span, .. } = attr;
    let message = match name.split("::").next() {
        Some(tool @ ("rustfmt" | "clippy" | "diagnostic" | "miri" | "rust_analyzer")) => {
            let instead = match tool {
                "rustfmt" => "write `cfg_attr(rustfmt, ..)`, which the compiler never sees",
                _ => "put it on the module or impl around the function",
            };
            format!(
                "`{name}` cannot stand on an `#[async_fn]`: a local module named `{tool}` could make it a macro that sees rewritten \
                 awaits; {instead}"
            )
        }
        _ => format!(
            "`{name}` is left when every other attribute has expanded: beside `#[async_fn]` may stand built-in attributes, and \
             attribute macros, which run before it"
        ),
    };
    Error::new(*span, message).into_compile_error()
}

/// The error, and the function as it is, so that not every use of it is an error as well.
fn failed(error: &Error, item: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote! { #error #item }
}
