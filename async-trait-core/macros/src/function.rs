//! The function of an `#[async_fn]`: its signature and what stands around its body.
//!
//! ```text
//! async fn f(&self, mut n: u32, (a, b): (A, B)) -> Result<T, E> { .. }
//!
//! fn f(&self, n: u32, __arg1: (A, B)) -> impl Async<Output = Result<T, E>> {
//!     block(async move {
//!         if false { return never::<Result<T, E>>() }     // for inference
//!         let _ = &self;                                  // captured, used or not, and dropped last
//!         let mut n = n;
//!         let __arg1 = __arg1; let (a, b) = __arg1;       // arguments live and die as in an `async fn`
//!         'body: { .. }
//!     })
//! }
//! ```

use proc_macro2::{Delimiter, Ident, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{
    Attribute, Block, Error, FnArg, Meta, Pat, PatIdent, PatType, Result, ReturnType, Signature, Token, Type,
    Visibility, braced, bracketed,
    parse::{Parse, ParseStream, Parser as _},
    parse_quote_spanned,
    spanned::Spanned as _,
    visit_mut::{self, VisitMut},
};

use crate::{
    body::{Rewriter, statements},
    boxed,
    glue::{Glue, group},
    options::Options,
};

struct Function {
    options: Options,
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: Option<Block>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let options;
        bracketed!(options in input);
        let options = options.parse()?;
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse().map_err(|error| {
            Error::new(error.span(), format!("`#[async_fn]` goes on an `async fn`, and this is none: {error}"))
        })?;
        let body = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            let content;
            let brace_token = braced!(content in input);
            attrs.extend(content.call(Attribute::parse_inner)?.into_iter().map(|mut attr| {
                attr.style = syn::AttrStyle::Outer;
                attr
            }));
            Some(Block { brace_token, stmts: content.call(statements)? })
        };
        Ok(Self { options, attrs, vis, sig, body })
    }
}

pub fn expand(input: TokenStream) -> TokenStream {
    let (glue, rest) = match Glue::split(input) {
        Ok(split) => split,
        Err(error) => return error.into_compile_error(),
    };
    Function::parse
        .parse2(rest)
        .and_then(|function| function.into_tokens(&glue))
        .unwrap_or_else(Error::into_compile_error)
}

impl Function {
    /// Refuses what cannot be an async fn.
    fn check(&self) -> Result<()> {
        let Signature { asyncness, constness, unsafety, abi, variadic, fn_token, .. } = &self.sig;
        if let Some(constness) = constness {
            return Err(Error::new(
                constness.span,
                "an `#[async_fn]` cannot be `const`: it makes a value that is run later",
            ));
        }
        if let Some(unsafety) = unsafety {
            return Err(Error::new(
                unsafety.span,
                "an `#[async_fn]` cannot be `unsafe`: calling it runs nothing, so the caller's promise would have to hold until it \
                 is complete; write a safe `#[async_fn]` around `unsafe { .. }`, or an `unsafe fn` that returns `async_block! { .. }`",
            ));
        }
        if let Some(abi) = abi {
            return Err(Error::new(
                abi.span(),
                "an `#[async_fn]` cannot be `extern`: no other language can poll what it returns",
            ));
        }
        if let Some(variadic) = variadic {
            return Err(Error::new(variadic.span(), "an `#[async_fn]` cannot be variadic"));
        }
        if asyncness.is_none() {
            return Err(Error::new(fn_token.span, "`#[async_fn]` goes on an `async fn`: write `async` before `fn`"));
        }
        if let Some(attr) = self.attrs.iter().find(|attr| !crate::attributes::allowed(&attr.meta)) {
            return Err(Error::new_spanned(attr, "an attribute macro here would see rewritten awaits"));
        }
        Ok(())
    }

    fn into_tokens(mut self, glue: &Glue) -> Result<TokenStream> {
        self.check()?;
        // `Async` is `must_use` itself; twice is a lint.
        self.attrs.retain(|attr| !matches!(&attr.meta, Meta::Path(path) if path.is_ident("must_use")));
        let fn_span = self.sig.fn_token.span;
        let here = glue.at(fn_span);
        self.sig.asyncness = None;
        let never_returns =
            matches!(&self.sig.output, ReturnType::Type(_, output) if matches!(**output, Type::Never(_)));
        let output = match std::mem::replace(&mut self.sig.output, ReturnType::Default) {
            ReturnType::Default => parse_quote_spanned!(here=> ()),
            ReturnType::Type(_, output) => match *output {
                // Nameable only as the output of a function.
                Type::Never(_) => {
                    let returns = glue.private(here, "Returns");
                    parse_quote_spanned!(here=> <fn() -> #output as #returns>::Output)
                }
                output => output,
            },
        };
        if self.options.cancellable && matches!(output, Type::ImplTrait(_)) {
            return Err(Error::new(
                output.span(),
                "a `cancellable` function returns a `Result<_, E>` that is written out: through `impl Trait` nobody can return `Err(Cancelled)`",
            ));
        }
        let (krate, needs_alloc);
        let boxed = if self.options.boxed {
            krate = glue.krate(here);
            needs_alloc = Some(quote_spanned! {here=> #krate::__needs_alloc! {} });
            Some(boxed::name_lifetimes(&mut self.sig, output.clone()))
        } else {
            needs_alloc = None;
            None
        };
        let body = match self.body.take() {
            Some(body) => Some(self.body(body, (!never_returns).then_some(&output), glue)?),
            None => None,
        };
        let krate = glue.krate(here);
        let returned = match boxed {
            Some((lifetime, output)) => {
                let name = self.box_name(glue);
                quote_spanned! {here=> #name<#lifetime, #output> }
            }
            None => {
                let send = self.options.send.then(|| {
                    let send = glue.private(here, "Send");
                    quote_spanned! {here=> + #send }
                });
                quote_spanned! {here=> impl #krate::Async<Output = #output> #send }
            }
        };
        let Self { attrs, vis, sig, .. } = &self;
        let Signature { fn_token, ident, generics, inputs, .. } = sig;
        let where_clause = &generics.where_clause;
        let end = body.unwrap_or_else(|| quote_spanned! {here=> ; });
        Ok(
            quote_spanned! {here=> #needs_alloc #(#attrs)* #vis #fn_token #ident #generics (#inputs) -> #returned #where_clause #end },
        )
    }

    fn box_name(&self, glue: &Glue) -> TokenStream {
        let here = glue.at(self.sig.fn_token.span);
        let krate = glue.krate(here);
        let name = Ident::new(if self.options.local { "LocalBoxAsync" } else { "BoxAsync" }, here);
        quote_spanned! {here=> #krate::#name }
    }

    fn body(&mut self, body: Block, output: Option<&Type>, glue: &Glue) -> Result<TokenStream> {
        let braces = body.brace_token.span.join();
        let here = glue.at(body.brace_token.span.open());
        let rebound = self.rebind();
        let cancellable = self.options.cancellable;
        let mut rewriter = Rewriter::new(glue);
        let body = rewriter.body(body, cancellable);
        if let Some(errors) = rewriter.errors {
            return Err(errors);
        }
        let typed = output.map(|output| typed(glue, output, cancellable));
        let block = group(Delimiter::Brace, glue.at(braces), quote_spanned! {here=> #typed #rebound #body });
        let block = quote_spanned! {here=> async move #block };
        let function = glue.private(here, "block");
        let mut value = quote_spanned! {here=> #function(#block) };
        if self.options.boxed {
            let name = self.box_name(glue);
            value = quote_spanned! {here=> #name::new(#value) };
        }
        Ok(group(Delimiter::Brace, glue.at(braces), value).into())
    }

    /// Gives every parameter a name that only the expansion sees (and the docs show), and binds it again in the body.
    fn rebind(&mut self) -> TokenStream {
        let mut statements = TokenStream::new();
        for (index, input) in self.sig.inputs.iter_mut().enumerate() {
            match input {
                FnArg::Receiver(receiver) => {
                    let this = receiver.self_token;
                    let here = Glue::hygienic(this.span);
                    statements.extend(quote_spanned! {here=> let _ = &#this; });
                }
                FnArg::Typed(PatType { attrs, pat, .. }) => {
                    let cfgs: Vec<_> = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
                    let here = Glue::hygienic(pat.span());
                    let plain_name = match &**pat {
                        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => Some(ident.to_string()),
                        _ => None,
                    };
                    let outer = match &plain_name {
                        Some(name) => name
                            .strip_prefix("r#")
                            .map_or_else(|| Ident::new(name, here), |raw| Ident::new_raw(raw, here)),
                        None => format_ident!("__arg{}", index, span = here),
                    };
                    let pattern = std::mem::replace(pat, parse_quote_spanned!(here=> #outer));
                    if plain_name.is_none() {
                        statements.extend(quote_spanned! {here=> #(#cfgs)* let #outer = #outer; });
                    }
                    // For clippy, `let _name = name` is a binding without effect; through a tuple it is not.
                    statements.extend(match plain_name {
                        Some(name) if name.starts_with('_') => {
                            quote_spanned! {here=> #(#cfgs)* let (#pattern,) = (#outer,); }
                        }
                        _ => quote_spanned! {here=> #(#cfgs)* let #pattern = #outer; },
                    });
                }
            }
        }
        statements
    }
}

/// A statement that tells inference what the block around it yields.
pub fn typed(glue: &Glue, output: &Type, cancellable: bool) -> TokenStream {
    let here = glue.at(output.span());
    let mut output = output.clone();
    Opaque.visit_type_mut(&mut output);
    let never = glue.private(here, if cancellable { "never_cancellable" } else { "never" });
    quote_spanned! {here=> if false { return #never::<#output>(); } }
}

/// `impl Trait` cannot be named in a body, where it is inferred.
struct Opaque;

impl VisitMut for Opaque {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::ImplTrait(opaque) = ty {
            *ty = Type::Infer(parse_quote_spanned!(opaque.impl_token.span=> _));
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn what_cannot_be_async_is_refused() {
        for (item, says) in [
            (
                quote!(
                    fn f() {}
                ),
                "write `async` before `fn`",
            ),
            (
                quote!(
                    const async fn f() {}
                ),
                "cannot be `const`",
            ),
            (
                quote!(
                    async unsafe fn f() {}
                ),
                "cannot be `unsafe`",
            ),
            (
                quote!(
                    async extern "C" fn f() {}
                ),
                "cannot be `extern`",
            ),
            (
                quote!(
                    struct S;
                ),
                "goes on an `async fn`",
            ),
        ] {
            let expansion = expand(quote!(unsafe [core_crate] [] #item)).to_string();
            assert!(expansion.contains("compile_error") && expansion.contains(says), "{expansion}");
        }
    }

    #[test]
    fn without_the_word_unsafe_there_is_no_expansion() {
        let expansion = expand(quote!([core_crate] [] async fn f() {})).to_string();
        assert!(expansion.contains("compile_error"), "{expansion}");
    }
}
