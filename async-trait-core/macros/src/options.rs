//! The options of `#[async_fn(..)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Error, Ident, Path, Result, Token,
    ext::IdentExt as _,
    parenthesized,
    parse::{Parse, ParseStream, Parser as _},
};

#[derive(Default)]
pub struct Options {
    pub send: bool,
    pub boxed: bool,
    pub local: bool,
    pub cancellable: bool,
    pub krate: Option<Path>,
    /// Every other attribute has been given its turn.
    pub last: bool,
}

const KNOWN: &str = "`send`, `boxed`, `boxed(local)`, `cancellable` or `crate = path`";

impl Options {
    pub fn parse(args: TokenStream) -> Result<Self> {
        Self::parser.parse2(args)
    }

    fn parser(input: ParseStream<'_>) -> Result<Self> {
        let (mut options, mut local) = (Self::default(), None);
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            let seen = match name.to_string().as_str() {
                "send" => std::mem::replace(&mut options.send, true),
                "boxed" => {
                    if input.peek(syn::token::Paren) {
                        let content;
                        parenthesized!(content in input);
                        let word: Ident = content.parse()?;
                        if word != "local" || !content.is_empty() {
                            return Err(Error::new(word.span(), "expected `boxed(local)`"));
                        }
                        options.local = true;
                    }
                    std::mem::replace(&mut options.boxed, true)
                }
                "local" => local.replace(name.span()).is_some(),
                "cancellable" => std::mem::replace(&mut options.cancellable, true),
                "crate" => {
                    input.parse::<Token![=]>()?;
                    options.krate.replace(path(input)?).is_some()
                }
                "__last" => std::mem::replace(&mut options.last, true),
                _ => return Err(Error::new(name.span(), format!("expected {KNOWN}"))),
            };
            if seen {
                return Err(Error::new(name.span(), format!("`{name}` is given twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        options.check(local)
    }

    fn check(mut self, local: Option<Span>) -> Result<Self> {
        if let Some(span) = local {
            if !self.boxed {
                return Err(Error::new(span, "`local` goes with `boxed`: `#[async_fn(boxed, local)]`"));
            }
            self.local = true;
        }
        if self.send && self.local {
            return Err(Error::new(
                local.unwrap_or_else(Span::call_site),
                "`local` means that it need not be `Send`: leave out one of the two",
            ));
        }
        Ok(self)
    }

    /// The options that shape the function, for the next expansion.
    pub fn shape(&self) -> TokenStream {
        let send = self.send.then(|| quote!(send,));
        let boxed = self.boxed.then(|| quote!(boxed,));
        let local = self.local.then(|| quote!(local,));
        let cancellable = self.cancellable.then(|| quote!(cancellable,));
        quote!(#send #boxed #local #cancellable)
    }
}

/// A path in module style, also one that begins with `$crate`, `crate`, `self` or `super`.
pub fn path(input: ParseStream<'_>) -> Result<Path> {
    input.call(Path::parse_mod_style)
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Self::parser(input)
    }
}
