//! `#[async_fn(boxed)]`: every lifetime of the signature gets a name, and outlives the one of the box.
//!
//! ```text
//! async fn get(&self, key: &str) -> &str
//!
//! fn get<'__a, '__b, '__box>(&'__a self, key: &'__b str) -> BoxAsync<'__box, &'__a str>
//! where '__a: '__box, '__b: '__box, Self: '__box
//! ```
//!
//! The same signature gives the same names on both sides of a trait.

use proc_macro2::Span;
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Lifetime, ParenthesizedGenericArguments, PredicateType, Receiver,
    Signature, Type, TypeBareFn, TypeImplTrait, TypeReference, WherePredicate, parse_quote, parse_quote_spanned,
    visit_mut::{self, VisitMut},
};

use crate::glue::Glue;

/// Names the lifetimes; returns that of the box and the output type, in which elided ones are named too.
pub fn name_lifetimes(sig: &mut Signature, mut output: Type) -> (Lifetime, Type) {
    let span = Glue::hygienic(sig.fn_token.span);
    let the_box = Lifetime::new("'__box", span);
    let mut names = Names { new: Vec::new(), used: Vec::new(), the_box: the_box.clone(), span };
    let mut of_self = None;
    for input in &mut sig.inputs {
        match input {
            FnArg::Receiver(receiver) => of_self = names.receiver(receiver),
            FnArg::Typed(typed) => names.visit_type_mut(&mut typed.ty),
        }
    }
    // The rule of the language: the lifetime of `&self`, else the only one there is.
    names.used.dedup();
    let elided = of_self.or(match names.used.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    });
    if let Some(elided) = elided {
        Elided(elided).visit_type_mut(&mut output);
    }

    let self_by = sig.inputs.iter().find_map(|input| match input {
        FnArg::Receiver(receiver) => Some(receiver.self_token.span),
        FnArg::Typed(_) => None,
    });
    let typed: Vec<Type> = sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) if mentions_parameter(&typed.ty) => Some((*typed.ty).clone()),
            _ => None,
        })
        .collect();
    outlives_box(&mut sig.generics, &the_box);
    let clause = sig.generics.make_where_clause();
    for lifetime in &names.new {
        clause.predicates.push(parse_quote_spanned!(span=> #lifetime: #the_box));
    }
    if let Some(by) = self_by {
        let this = syn::Ident::new("Self", by);
        clause.predicates.push(parse_quote_spanned!(span=> #this: #the_box));
    }
    for ty in typed {
        clause.predicates.push(parse_quote_spanned!(span=> #ty: #the_box));
    }
    let first_type = sig
        .generics
        .params
        .iter()
        .position(|param| !matches!(param, GenericParam::Lifetime(_)))
        .unwrap_or(sig.generics.params.len());
    for lifetime in names.new.into_iter().chain([the_box.clone()]).rev() {
        sig.generics.params.insert(first_type, parse_quote!(#lifetime));
    }
    (the_box, output)
}

/// Bounds the function's own parameters by the box: there where they have bounds already, for two places are a lint.
fn outlives_box(generics: &mut Generics, the_box: &Lifetime) {
    let mut clause = generics.where_clause.as_mut();
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => {
                let name = &param.ident;
                let elsewhere = clause.as_mut().and_then(|clause| {
                    clause.predicates.iter_mut().find_map(|predicate| match predicate {
                        WherePredicate::Type(PredicateType {
                            lifetimes: None,
                            bounded_ty: Type::Path(path),
                            bounds,
                            ..
                        }) if path.path.is_ident(name) => Some(bounds),
                        _ => None,
                    })
                });
                let bounds = match elsewhere {
                    Some(bounds) if param.bounds.is_empty() => bounds,
                    _ => &mut param.bounds,
                };
                bounds.push(parse_quote!(#the_box));
            }
            GenericParam::Lifetime(param) => {
                let elsewhere = clause.as_mut().and_then(|clause| {
                    clause.predicates.iter_mut().find_map(|predicate| match predicate {
                        WherePredicate::Lifetime(predicate) if predicate.lifetime == param.lifetime => {
                            Some(&mut predicate.bounds)
                        }
                        _ => None,
                    })
                });
                let bounds = match elsewhere {
                    Some(bounds) if param.bounds.is_empty() => bounds,
                    _ => &mut param.bounds,
                };
                bounds.push(the_box.clone());
            }
            GenericParam::Const(_) => {}
        }
    }
}

/// Names the elided lifetimes of the parameters.
struct Names {
    new: Vec<Lifetime>,
    /// Every lifetime that occurs, in order.
    used: Vec<Lifetime>,
    the_box: Lifetime,
    span: Span,
}

impl Names {
    fn fresh(&mut self) -> Lifetime {
        let lifetime = Lifetime::new(&format!("'__l{}", self.new.len()), self.span);
        self.new.push(lifetime.clone());
        self.used.push(lifetime.clone());
        lifetime
    }

    /// Returns the lifetime of the reference to `Self`, if it is one.
    fn receiver(&mut self, receiver: &mut Receiver) -> Option<Lifetime> {
        if let Some((_, lifetime)) = &mut receiver.reference {
            let lifetime = match lifetime {
                Some(named) if named.ident != "_" => {
                    self.used.push(named.clone());
                    named.clone()
                }
                elided => elided.insert(self.fresh()).clone(),
            };
            if let Type::Reference(reference) = &mut *receiver.ty {
                reference.lifetime = Some(lifetime.clone());
            }
            return Some(lifetime);
        }
        self.visit_type_mut(&mut receiver.ty);
        let mut found = SelfReference(None);
        found.visit_type_mut(&mut receiver.ty);
        found.0
    }
}

impl VisitMut for Names {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        match &mut reference.lifetime {
            Some(lifetime) => self.visit_lifetime_mut(lifetime),
            elided => *elided = Some(self.fresh()),
        }
        self.visit_type_mut(&mut reference.elem);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.fresh();
        } else if lifetime.ident != "static" {
            self.used.push(lifetime.clone());
        }
    }

    fn visit_type_impl_trait_mut(&mut self, opaque: &mut TypeImplTrait) {
        visit_mut::visit_type_impl_trait_mut(self, opaque);
        // It has no name to say this of in the where clause.
        let the_box = &self.the_box;
        opaque.bounds.push(parse_quote!(#the_box));
    }

    // Their elided lifetimes are their own.
    fn visit_type_bare_fn_mut(&mut self, _: &mut TypeBareFn) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}

/// Finds the lifetime of `&'x Self` in a receiver's type.
struct SelfReference(Option<Lifetime>);

impl VisitMut for SelfReference {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("Self")) {
            self.0.clone_from(&reference.lifetime);
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }
}

/// Names the elided lifetimes of the output.
struct Elided(Lifetime);

impl VisitMut for Elided {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_") {
            reference.lifetime = Some(self.0.clone());
        }
        self.visit_type_mut(&mut reference.elem);
    }

    fn visit_generic_argument_mut(&mut self, argument: &mut GenericArgument) {
        visit_mut::visit_generic_argument_mut(self, argument);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = Lifetime::new(&self.0.to_string(), self.0.span());
        }
    }

    fn visit_type_bare_fn_mut(&mut self, _: &mut TypeBareFn) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}

/// Whether a type may depend on a parameter of the trait or impl around the function, which the function does not declare.
fn mentions_parameter(ty: &Type) -> bool {
    struct Search {
        found: bool,
        opaque: bool,
    }
    impl VisitMut for Search {
        fn visit_type_path_mut(&mut self, path: &mut syn::TypePath) {
            const PRIMITIVE: &[&str] = &[
                "bool", "char", "str", "String", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
                "i128", "isize", "f32", "f64",
            ];
            self.found |= !PRIMITIVE.iter().any(|name| path.path.is_ident(name));
            visit_mut::visit_type_path_mut(self, path);
        }
        fn visit_type_impl_trait_mut(&mut self, _: &mut TypeImplTrait) {
            self.opaque = true;
        }
    }
    let mut search = Search { found: false, opaque: false };
    search.visit_type_mut(&mut ty.clone());
    search.found && !search.opaque
}
