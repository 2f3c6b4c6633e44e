//! `async_block! { [move] [cancellable] [-> T] .. }` and `plain! { [move] .. }`.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Block, Error, Result, Token, Type, braced,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _},
    token::{Brace, Move},
};

use crate::{
    body::{Rewriter, statements},
    function::typed,
    glue::{Glue, group},
};

struct AsyncBlock {
    capture: Option<Token![move]>,
    cancellable: bool,
    output: Option<Type>,
    body: Block,
}

impl Parse for AsyncBlock {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let capture = capture(input)?;
        let cancellable = is_option(input, "cancellable");
        if cancellable {
            input.call(Ident::parse_any)?;
        }
        let output = if input.parse::<Option<Token![->]>>()?.is_some() { Some(input.parse()?) } else { None };
        let body = if output.is_some() {
            let body: Block = input.parse()?;
            if !input.is_empty() {
                return Err(input.error("nothing may follow the body after `-> T`"));
            }
            body
        } else {
            // The braces of the macro call are not among its tokens. What stands for them has the place and the edition of
            // the body.
            let braces = group(Delimiter::Brace, input.span(), TokenStream::new());
            let brace_token = (|content: ParseStream<'_>| -> Result<Brace> {
                let empty;
                Ok(braced!(empty in content))
            })
            .parse2(braces.into())?;
            Block { brace_token, stmts: input.call(statements)? }
        };
        Ok(Self { capture, cancellable, output, body })
    }
}

/// `move`, unless it begins a closure.
fn capture(input: ParseStream<'_>) -> Result<Option<Move>> {
    if input.peek(Token![move]) && !input.peek2(Token![|]) && !input.peek2(Token![||]) {
        input.parse().map(Some)
    } else {
        Ok(None)
    }
}

/// Whether an option of this name stands here, and not a variable: whether what follows cannot go on an expression.
fn is_option(input: ParseStream<'_>, name: &str) -> bool {
    let ahead = input.fork();
    if !ahead.call(Ident::parse_any).is_ok_and(|word| word == name) {
        return false;
    }
    match ahead.cursor().token_tree() {
        None => false,
        Some((TokenTree::Ident(word), _)) => word != "as",
        Some((TokenTree::Literal(_), _)) => true,
        Some((TokenTree::Group(group), _)) => matches!(group.delimiter(), Delimiter::Brace | Delimiter::None),
        Some((TokenTree::Punct(punct), _)) => matches!(punct.as_char(), '\'' | '#' | '$') || ahead.peek(Token![->]),
    }
}

pub fn expand(input: TokenStream) -> TokenStream {
    let (glue, rest) = match Glue::split(input) {
        Ok(split) => split,
        Err(error) => return error.into_compile_error(),
    };
    AsyncBlock::parse.parse2(rest).map_or_else(Error::into_compile_error, |block| block.into_tokens(&glue))
}

impl AsyncBlock {
    fn into_tokens(self, glue: &Glue) -> TokenStream {
        let Self { capture, cancellable, output, body } = self;
        let user = body.brace_token.span.open();
        let mut rewriter = Rewriter::new(glue);
        let body = rewriter.body(body, cancellable);
        if let Some(errors) = rewriter.errors {
            return errors.into_compile_error();
        }
        let typed = output.map_or_else(
            || cancellable.then(|| typed(glue, &syn::parse_quote!(_), cancellable)),
            |output| Some(typed(glue, &output, cancellable)),
        );
        let here = glue.at(user);
        let function = glue.private(here, "block");
        let block = group(Delimiter::Brace, here, quote_spanned! {here=> #typed #body });
        let arguments = group(Delimiter::Parenthesis, here, quote_spanned! {here=> async #capture #block });
        quote_spanned! {here=> #function #arguments }
    }
}

pub fn plain(input: TokenStream) -> TokenStream {
    let parse = |input: ParseStream<'_>| -> Result<(Option<Move>, Span, TokenStream)> {
        Ok((capture(input)?, input.span(), input.parse()?))
    };
    match parse.parse2(input) {
        Ok((capture, user, body)) => {
            let body = group(Delimiter::Brace, user, body);
            quote_spanned! {Span::mixed_site().located_at(user)=> async #capture #body }
        }
        Err(error) => error.into_compile_error().into_token_stream(),
    }
}
