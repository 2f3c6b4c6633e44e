//! Async bodies: what becomes of `.await` and `async` in the code of a user.
//!
//! ```text
//! e.await        (awaited(e, { if false { break '_body1 loop {} } unsafe { Token::new() } })).await
//! async { .. }   block(async { '_body1: { { .. } } })
//! println!(..)   see std_macros.rs
//! ```
//!
//! Left alone: items, `const` blocks, `async` closures, types, and the macros that are not known. In plain closures, `.await` is left
//! alone (rustc says what is wrong) but `async` blocks are not.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute, Block, Error, Expr, ExprAsync, ExprAwait, Item, Lifetime, PathArguments, Result, Stmt, Type,
    parse::ParseStream,
    parse_quote,
    spanned::Spanned as _,
    visit_mut::{self, VisitMut},
};

use crate::{
    attributes,
    glue::{Glue, group},
    std_macros,
};

pub struct Rewriter<'g> {
    pub glue: &'g Glue,
    /// The block whose body is being visited; `None` in a closure.
    body: Option<Body>,
    /// Numbers labels, so that none shadows another.
    labels: usize,
    /// Counts rewritten awaits and blocks, so that one can see whether an expression has any.
    rewritten: usize,
    pub errors: Option<Error>,
}

struct Body {
    /// Makes a token, and names the body: the second argument of every await.
    token: TokenTree,
    cancellable: bool,
}

impl<'g> Rewriter<'g> {
    pub fn new(glue: &'g Glue) -> Self {
        Self { glue, body: None, labels: 0, rewritten: 0, errors: None }
    }

    /// Rewrites the statements of a body. `block` keeps its braces, and with them its place and edition.
    pub fn body(&mut self, mut block: Block, cancellable: bool) -> TokenStream {
        // Braces around nothing but braces, as from a macro's `$body:expr`, would be "unnecessary" to rustc.
        while let Some(inner) = only_block(&mut block) {
            block = inner;
        }
        let user = block.brace_token.span.open();
        let (here, hygienic) = (self.glue.at(user), Glue::hygienic(user));
        self.labels += 1;
        // The underscore: a body without awaits does not use it.
        let label = Lifetime::new(&format!("'_body{}", self.labels), hygienic);
        let make = self.glue.private(here, "Token");
        let token = Glue::unsafe_block(here, quote_spanned! {here=> #make::new() });
        let token = quote_spanned! {here=> #[allow(unreachable_code)] if false { break #label loop {} } #token };
        let token = group(Delimiter::Brace, here, token);
        let outer = self.body.replace(Body { token, cancellable });
        self.visit_block_mut(&mut block);
        self.body = outer;
        // The labelled block is ours and the one in it the user's: so its last expression drops its temporaries by the rule of the
        // user's edition, and before the arguments by ours.
        let quiet = matches!(block.stmts.as_slice(), [Stmt::Expr(_, None)])
            .then(|| quote_spanned! {here=> #[allow(unused_braces)] });
        let block = group(Delimiter::Brace, hygienic, quote_spanned! {hygienic=> #quiet #block });
        quote_spanned! {hygienic=> #label: #block }
    }

    /// Whether `visit` rewrote anything, so that the result may not be shown to another macro.
    pub fn rewrites(&mut self, visit: impl FnOnce(&mut Self)) -> bool {
        let before = self.rewritten;
        visit(self);
        self.rewritten != before
    }

    pub fn error(&mut self, error: Error) {
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    fn awaited(&mut self, expr: &mut ExprAwait) -> Option<TokenStream> {
        let body = self.body.as_ref()?;
        self.rewritten += 1;
        let (token, cancellable) = (&body.token, body.cancellable);
        let ExprAwait { base, dot_token, await_token, .. } = expr;
        let first = first_span(base);
        let here = self.glue.at(await_token.span);
        let arguments = group(Delimiter::Parenthesis, here, quote_spanned! {here=> #base, #token });
        let function =
            self.glue.private(self.glue.at(first), if cancellable { "awaited_cancellable" } else { "awaited" });
        let call = quote_spanned! {here=> #function #arguments };
        Some(if cancellable {
            quote_spanned! {here=> #call #dot_token #await_token ? }
        } else {
            // In parentheses at the user's place: so the await as a whole is the user's, for lints and for errors.
            let call = group(Delimiter::Parenthesis, first, call);
            quote_spanned! {here=> #call #dot_token #await_token }
        })
    }

    fn block(&mut self, expr: ExprAsync) -> TokenStream {
        let ExprAsync { attrs, async_token, capture, block } = expr;
        self.rewritten += 1;
        let user = async_token.span;
        let body = self.body(block, false);
        let here = self.glue.at(user);
        let function = self.glue.private(here, "block");
        let body = group(Delimiter::Brace, here, body);
        let arguments = group(Delimiter::Parenthesis, here, quote_spanned! {here=> #async_token #capture #body });
        quote_spanned! {here=> #(#attrs)* #function #arguments }
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Await(awaiting) => {
                attributes::check(&mut awaiting.attrs, self);
                self.visit_expr_mut(&mut awaiting.base);
                if let Some(tokens) = self.awaited(awaiting) {
                    *expr = Expr::Verbatim(tokens);
                }
            }
            Expr::Async(block) => {
                attributes::check(&mut block.attrs, self);
                let block = std::mem::replace(block, parse_quote!(async {}));
                *expr = Expr::Verbatim(self.block(block));
            }
            Expr::Closure(closure) => {
                attributes::check(&mut closure.attrs, self);
                if closure.asyncness.is_none() {
                    let outer = self.body.take();
                    self.visit_expr_mut(&mut closure.body);
                    self.body = outer;
                }
            }
            Expr::Repeat(repeat) => {
                attributes::check(&mut repeat.attrs, self);
                self.visit_expr_mut(&mut repeat.expr);
            }
            Expr::Const(_) => {}
            Expr::Macro(called) => {
                attributes::check(&mut called.attrs, self);
                if let Some(tokens) = std_macros::rewrite(&called.mac, self) {
                    // In parentheses, since a statement might begin here.
                    let here = self.glue.at(called.mac.path.span());
                    *expr = Expr::Verbatim(group(Delimiter::Parenthesis, here, tokens).into());
                }
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        match stmt {
            Stmt::Item(Item::Verbatim(_) | _) => {}
            Stmt::Macro(called) => {
                attributes::check(&mut called.attrs, self);
                if let Some(tokens) = std_macros::rewrite(&called.mac, self) {
                    let attrs = &called.attrs;
                    let tokens = quote_spanned! {self.glue.at(called.mac.path.span())=> #(#attrs)* #tokens };
                    *stmt = Stmt::Expr(Expr::Verbatim(tokens), called.semi_token);
                }
            }
            _ => visit_mut::visit_stmt_mut(self, stmt),
        }
    }

    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        attributes::check(attrs, self);
    }

    // What is evaluated at compile time has no awaits.
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_path_arguments_mut(&mut self, _: &mut PathArguments) {}
    fn visit_angle_bracketed_generic_arguments_mut(&mut self, _: &mut syn::AngleBracketedGenericArguments) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The block that is all there is in `block`.
fn only_block(block: &mut Block) -> Option<Block> {
    let [Stmt::Expr(expr, None)] = block.stmts.as_mut_slice() else { return None };
    let mut expr = expr;
    while let Expr::Group(group) = expr {
        expr = &mut group.expr;
    }
    match expr {
        Expr::Block(only) if only.attrs.is_empty() && only.label.is_none() => {
            Some(std::mem::replace(&mut only.block, parse_quote!({})))
        }
        _ => None,
    }
}

/// Where an expression begins.
fn first_span(expr: &Expr) -> Span {
    match expr {
        Expr::Await(ExprAwait { base, .. }) => first_span(base),
        Expr::Call(call) => first_span(&call.func),
        Expr::Field(field) => first_span(&field.base),
        Expr::Index(index) => first_span(&index.expr),
        Expr::MethodCall(call) => first_span(&call.receiver),
        Expr::Path(path) if path.qself.is_none() && path.path.leading_colon.is_none() => {
            path.path.segments.first().map_or_else(Span::mixed_site, |segment| segment.ident.span())
        }
        Expr::Try(expr) => first_span(&expr.expr),
        other => other.to_token_stream().into_iter().next().map_or_else(Span::mixed_site, |token| token.span()),
    }
}

/// The statements of a body. One without awaits and blocks is not parsed further.
pub fn statements(input: ParseStream<'_>) -> Result<Vec<Stmt>> {
    let ahead: TokenStream = input.fork().parse()?;
    if mentions_async(ahead.clone()) {
        return input.call(Block::parse_within);
    }
    input.parse::<TokenStream>()?;
    Ok(if ahead.is_empty() { Vec::new() } else { vec![Stmt::Expr(Expr::Verbatim(ahead), None)] })
}

/// Whether there is anything to rewrite, or an attribute to look at, in these tokens.
pub fn mentions_async(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => is_async(&ident),
        TokenTree::Group(group) => mentions_async(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn is_async(ident: &Ident) -> bool {
    ident == "await" || ident == "async"
}
