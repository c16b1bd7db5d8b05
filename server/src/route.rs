//! A route: where it is, whose it is, what it takes and answers, and its handler, all in one place. The
//! OpenAPI document is made of what stands here, so it says what there is.

use std::borrow::Cow;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, any, on};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::app::SharedApp;

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Whoever has an API token.
    Token,
    /// Whoever has the link in the URL.
    Link,
    /// Everyone.
    Open,
}

/// Schemas by their names.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// What a body holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Nothing,
    /// JSON of a type: the name of its schema, and how that and those in it are collected.
    Json(fn() -> Cow<'static, str>, fn(&mut Schemas)),
    /// Anything else.
    Media(&'static str),
}

/// No body.
pub(crate) const fn nothing() -> Content {
    Content::Nothing
}

/// JSON of this type.
pub(crate) fn schema<T: ToSchema>() -> Content {
    Content::Json(T::name, |schemas| {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    })
}

/// A body of this media type.
pub(crate) const fn media(media: &'static str) -> Content {
    Content::Media(media)
}

/// A body of any kind.
pub(crate) const fn bytes() -> Content {
    Content::Media("application/octet-stream")
}

/// A parameter of a query, and what it is.
pub(crate) type Parameter = (&'static str, &'static str);

/// One operation, as it is documented; [`route!`] makes it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// In small letters.
    pub(crate) method: &'static str,
    /// As axum has it.
    pub(crate) path: &'static str,
    pub(crate) door: Door,
    pub(crate) summary: &'static str,
    pub(crate) request: Content,
    pub(crate) status: &'static str,
    pub(crate) answer: Content,
    pub(crate) query: &'static [Parameter],
    /// Whether its body has to be there, if it has one.
    pub(crate) required: bool,
}

/// An operation: `route!(METHOD PATH DOOR REQUEST => STATUS ANSWER; SUMMARY)`.
macro_rules! route {
    ($method:ident $path:literal $door:ident $request:expr => $status:literal $answer:expr; $summary:literal) => {
        $crate::route::Operation {
            method: stringify!($method),
            path: $path,
            door: $crate::route::Door::$door,
            summary: $summary,
            request: $request,
            status: stringify!($status),
            answer: $answer,
            query: &[],
            required: true,
        }
    };
}
pub(crate) use route;

impl Operation {
    /// With these parameters in its query.
    pub(crate) const fn query(mut self, query: &'static [Parameter]) -> Self {
        self.query = query;
        self
    }

    /// Its body may be missing.
    pub(crate) const fn may_be_empty(mut self) -> Self {
        self.required = false;
        self
    }

    fn filter(&self) -> MethodFilter {
        match self.method {
            "get" => MethodFilter::GET,
            "post" => MethodFilter::POST,
            "put" => MethodFilter::PUT,
            "delete" => MethodFilter::DELETE,
            "patch" => MethodFilter::PATCH,
            "head" => MethodFilter::HEAD,
            "options" => MethodFilter::OPTIONS,
            other => unreachable!("{other} is no method of a route"),
        }
    }
}

/// Routes: what answers, and what is documented.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) router: Router<SharedApp>,
    pub(crate) operations: Vec<Operation>,
}

impl Routes {
    /// An operation and who answers it.
    pub(crate) fn on<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, SharedApp>,
        T: 'static,
    {
        let filter = operation.filter();
        self.router = self.router.route(operation.path, on(filter, handler));
        self.operations.push(operation);
        self
    }

    /// The same, also with a slash at the end of its address.
    pub(crate) fn on_slashed<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, SharedApp>,
        T: 'static,
    {
        let (slashed, filter) = (format!("{}/", operation.path), operation.filter());
        self.router = self.router.route(&slashed, on(filter, handler.clone()));
        self.on(operation, handler)
    }

    /// Operations on one address, with or without a slash at its end, and who sorts their methods out:
    /// those of an upload differ by dialect, and one that none knows gets the dialect's own answer.
    pub(crate) fn any<H, T, const N: usize>(
        mut self,
        operations: [Operation; N],
        handler: H,
    ) -> Self
    where
        H: Handler<T, SharedApp>,
        T: 'static,
    {
        let path = operations[0].path;
        let slashed = format!("{path}/");
        let router = self.router.route(path, any(handler.clone()));
        self.router = router.route(&slashed, any(handler));
        self.operations.extend(operations);
        self
    }

    /// Both.
    pub(crate) fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.operations.extend(others.operations);
        self
    }
}
