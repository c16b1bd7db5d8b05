//! The OpenAPI document: every route of the server, whoever serves it.
//!
//! The shapes come from the types that are sent and read; the list of operations stands here. A
//! test in `router.rs` compares it with the routes that there are, both ways.

use std::sync::LazyLock;

use axum::Json;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::auth::Staff;
use super::{audit, clock, keys, links, order, orders, retention, scrub, sessions, status, tokens};
use crate::upload::tus::several;
use crate::{bag, checked, form, preflight, upload_link as link, upload_state, wire};

/// Who may call an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Whoever has an API token.
    Token,
    /// Whoever has the link in the URL.
    Link,
    /// Everyone.
    Open,
}

/// One operation: `path` as the router has it.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) door: Door,
    summary: &'static str,
    request: Content,
    status: &'static str,
    answer: Content,
}

/// What a body holds.
#[derive(Clone, Copy)]
enum Content {
    Nothing,
    /// JSON of this schema.
    Json(&'static str),
    /// Anything else.
    Media(&'static str),
}

use Content::{Json as J, Media as M, Nothing as N};
use Door::{Link, Open, Token};

macro_rules! operations {
    ($($method:ident $path:literal $door:ident $request:expr => $status:literal $answer:expr; $summary:literal;)*) => {
        &[$(Operation {
            method: stringify!($method),
            path: $path,
            door: $door,
            summary: $summary,
            request: $request,
            status: stringify!($status),
            answer: $answer,
        }),*]
    };
}

const BYTES: Content = M("application/octet-stream");
const TUS: Content = M("application/offset+octet-stream");

/// All operations, in the order of the document.
pub(crate) const OPERATIONS: &[Operation] = operations! {
    get "/healthz" Open N => 200 M("text/plain"); "Whether the process answers";
    get "/readyz" Open N => 200 M("text/plain"); "Whether catalog, stores and keys answer, and the stores are this installation's; 503 names what is not";
    get "/metrics" Open N => 200 M("text/plain"); "Prometheus metrics; from another machine with an API token only";
    get "/api/v1/openapi.json" Token N => 200 M("application/json"); "This document";
    get "/api/v1/orders" Token N => 200 J("Orders"); "All orders, by number";
    post "/api/v1/orders" Token J("NewOrder") => 201 J("Order"); "Create an order, and on request its upload link";
    get "/api/v1/orders/{number}" Token N => 200 J("Order"); "An order with its sessions and links";
    get "/api/v1/orders/{number}/audit" Token N => 200 J("AuditLog"); "Every decision on an order, and whether their chain holds";
    post "/api/v1/orders/{number}/complete" Token J("Completion") => 200 J("Order"); "The work is done: both retention clocks start; an order in which there is nothing to keep is refused, unless it says that it is empty";
    post "/api/v1/orders/{number}/reopen" Token J("Nothing") => 200 J("Order"); "Work goes on: both clocks stop";
    post "/api/v1/orders/{number}/archive-again" Token J("Nothing") => 200 J("Order"); "The archive that did not come back is written anew from the working files; both clocks go on";
    post "/api/v1/orders/{number}/hold" Token J("NewHold") => 200 J("Order"); "Nothing of it is deleted until the hold is released";
    post "/api/v1/orders/{number}/release-hold" Token J("Nothing") => 200 J("Order"); "Deleting may go on";
    post "/api/v1/orders/{number}/recall" Token J("NewRecall") => 200 J("Order"); "The archive may be downloaded for some days";
    post "/api/v1/orders/{number}/end-recall" Token J("Nothing") => 200 J("Order"); "The recall ends";
    post "/api/v1/orders/{number}/links" Token J("NewLink") => 201 J("MadeLink"); "Make a link; its URL is shown this once";
    delete "/api/v1/links/{link}" Token N => 204 N; "Take a link back";
    get "/api/v1/orders/{number}/uploads" Token N => 200 J("Uploads"); "Every upload of an order";
    post "/api/v1/orders/{number}/uploads/checked" Token J("Hashes") => 200 J("Confirmed"); "Hashes of the sender's own files, read after they had arrived: which are those of the uploads. At most 512 in a request";
    delete "/api/v1/orders/{number}/uploads/{upload}" Token N => 204 N; "Remove an upload that no session holds, or only one that was returned";
    post "/api/v1/orders/{number}/submit" Token J("NewSession") => 201 J("Receipt"); "Seal what was uploaded into a session";
    get "/api/v1/orders/{number}/sessions/{session}" Token N => 200 J("Receipt"); "The receipt of a session, by its id or the start of it";
    post "/api/v1/orders/{number}/sessions/{session}/accept" Token J("Acceptance") => 200 J("Receipt"); "Take a session";
    post "/api/v1/orders/{number}/sessions/{session}/return" Token J("Return") => 200 J("Receipt"); "Give a session back, with reasons";
    get "/api/v1/orders/{number}/sessions/{session}/files/{*path}" Token N => 200 BYTES; "A file of a session; ranges, ETag, If-Range";
    get "/api/v1/orders/{number}/sessions/{session}/bag" Token N => 200 J("BagParts"); "What a bag (BagIt 1.0) of the session holds beside its files";
    get "/api/v1/orders/{number}/sessions/{session}/bag.zip" Token N => 200 M("application/zip"); "The session as a bag (BagIt 1.0) in a zip, made while it is sent";
    get "/api/v1/retention/plan" Token N => 200 J("RetentionPlan"); "What is due by a date (query: at)";
    post "/api/v1/retention/run" Token J("RunRequest") => 200 J("Runs"); "Run every job that does not take long now, or the one that is named";
    get "/api/v1/runs" Token N => 200 J("Runs"); "The last runs, newest first, or those before one of them (query: before)";
    get "/api/v1/runs/{run}" Token N => 200 J("RunNotes"); "What a run did, step by step (query: from)";
    get "/api/v1/scrub" Token N => 200 J("Scrub"); "The scrub that is under way, or the last one";
    post "/api/v1/scrub" Token J("NewScrub") => 202 J("Scrub"); "Read everything in any tier and mend what is bad; goes on by itself";
    delete "/api/v1/scrub" Token N => 204 N; "End the scrub that is under way";
    get "/api/v1/status" Token N => 200 J("Status"); "How stores, mirror, archive and jobs stand: green, yellow or red";
    post "/api/v1/stores/{store}/mark" Token J("Nothing") => 200 J("StatusPart"); "Take a store (working, archive, keys) that bears no mark for this installation's: another disk stands there on purpose";
    get "/api/v1/tokens" Token N => 200 J("Tokens"); "All API tokens";
    post "/api/v1/tokens" Token J("NewToken") => 201 J("MadeToken"); "Make an API token; it is shown this once";
    delete "/api/v1/tokens/{token}" Token N => 204 N; "Take an API token back";
    get "/api/v1/keys" Token N => 200 J("Keys"); "Master keys, how many keys each wraps, and backups of the key store";
    post "/api/v1/keys/rotate" Token J("WhichMaster") => 200 J("Rotated"); "Wrap every key again with the first master key at hand";
    post "/api/v1/keys/retire" Token J("WhichMaster") => 200 J("Keys"); "A master key that wraps nothing opens nothing any more";
    post "/api/v1/keys/backup" Token N => 200 M("application/x-ndjson"); "A backup of the key store: wrapped keys, no master key. It must be destroyed after 30 days";
    post "/files" Token TUS => 201 N; "tus 1.0 or the IETF draft: create an upload; Upload-Metadata or the query names order, kind (material, delivery or stems) and filename";
    options "/files" Open N => 204 N; "tus 1.0 or the IETF draft: what the server can do";
    head "/files/{upload}" Token N => 200 N; "tus 1.0 or the IETF draft: how many bytes are safe";
    patch "/files/{upload}" Token TUS => 204 N; "tus 1.0 or the IETF draft: append from the offset on";
    delete "/files/{upload}" Token N => 204 N; "tus 1.0 or the IETF draft: remove an upload";
    options "/files/{upload}" Open N => 204 N; "tus 1.0 or the IETF draft: what the server can do";
    get "/u/{link}" Link N => 200 J("Uploads"); "The page of an upload link; with Accept: application/json its uploads";
    post "/u/{link}" Link TUS => 201 N; "tus 1.0 or the IETF draft: create an upload; the link says which order";
    options "/u/{link}" Link N => 204 N; "tus 1.0 or the IETF draft: what the server can do";
    get "/u/{link}/uploads" Link N => 200 J("Uploads"); "The uploads of a link's order";
    get "/u/{link}/state" Link N => 200 J("State"); "How the order stands: uploads, form, the limits of this link, and what is missing before a submit";
    post "/u/{link}/preflight" Link M("application/vnd.stemvault.preflight") => 200 J("Preflight"); "What submit would say of files, by their first 64 KiB. The body is a row of files, each: length of a JSON object (4 bytes, big-endian), {path, length}, length of the head (4 bytes), the head; at most 256 files and 20 MiB, and 160 requests in a minute by one link";
    post "/u/{link}/files" Link M("application/vnd.stemvault.files") => 200 J("Several"); "Several small files, each whole, in one request. The body is a row of files as in a preflight, with {path, length, modified} and all of each file's bytes: at most 256 KiB a file, 256 files and 4 MiB. Each is answered as if it had been created alone";
    post "/u/{link}/checked" Link J("Hashes") => 200 J("Confirmed"); "Hashes of the sender's own files, read after they had arrived: which are those of the uploads. At most 512 in a request";
    put "/u/{link}/form" Link J("Draft") => 204 N; "Keep a draft of the form";
    post "/u/{link}/submit" Link J("Submitted") => 201 J("Receipt"); "Seal what was uploaded; a refusal for the form names its fields in missing";
    get "/u/{link}/receipts/{session}" Link N => 200 M("text/html"); "The receipt of a session, to be printed";
    get "/assets/{*name}" Open N => 200 BYTES; "Scripts and styles of pages";
    head "/u/{link}/{upload}" Link N => 200 N; "tus 1.0 or the IETF draft: how many bytes are safe";
    patch "/u/{link}/{upload}" Link TUS => 204 N; "tus 1.0 or the IETF draft: append from the offset on";
    delete "/u/{link}/{upload}" Link N => 204 N; "tus 1.0 or the IETF draft: remove an upload";
    options "/u/{link}/{upload}" Link N => 204 N; "tus 1.0 or the IETF draft: what the server can do";
    get "/d/{link}" Link N => 200 BYTES; "A file link: the file. A session link: its page; with Accept: application/json the receipt";
    get "/d/{link}/{*path}" Link N => 200 BYTES; "A file of a session link; ranges, ETag, If-Range";
    post "/api/v1/clock" Token J("Move") => 200 J("Now"); "Move the demo clock";
};

/// The schemas of everything that is sent or read as JSON.
#[derive(OpenApi)]
#[openapi(components(schemas(
    order::Order,
    order::Hold,
    order::Proof,
    order::Unproven,
    order::NotSubmitted,
    order::Session,
    order::Link,
    audit::AuditLog,
    audit::AuditEntry,
    audit::AuditHead,
    bag::BagParts,
    bag::BagTag,
    wire::Receipt,
    wire::Review,
    wire::File,
    wire::Finding,
    wire::Uploads,
    wire::Upload,
    wire::Limits,
    upload_state::State,
    upload_state::FormState,
    upload_state::FieldState,
    upload_state::PreflightState,
    preflight::Preflight,
    preflight::Verdict,
    preflight::Remark,
    preflight::Together,
    preflight::Forbidden,
    several::Several,
    several::One,
    checked::Hashes,
    checked::Confirmed,
    form::LeftOut,
    link::Submitted,
    link::Draft,
    orders::NewOrder,
    orders::Orders,
    orders::NewHold,
    orders::NewRecall,
    orders::Completion,
    orders::Nothing,
    sessions::NewSession,
    sessions::Acceptance,
    sessions::Return,
    links::NewLink,
    links::MadeLink,
    tokens::NewToken,
    tokens::MadeToken,
    tokens::TokenLine,
    tokens::Tokens,
    retention::RetentionPlan,
    retention::Action,
    retention::RunRequest,
    retention::Runs,
    retention::Run,
    retention::Note,
    retention::RunNotes,
    keys::Keys,
    keys::Master,
    keys::KeyBackup,
    keys::WhichMaster,
    keys::Rotated,
    scrub::NewScrub,
    scrub::Scrub,
    status::Status,
    status::StatusPart,
    status::Colour,
    clock::Move,
    clock::Now,
)))]
struct Shapes;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub(super) async fn serve(_: Staff) -> Json<&'static Value> {
    Json(&DOCUMENT)
}

/// The whole document, OpenAPI 3.1.
pub(crate) fn document() -> Value {
    let shapes = serde_json::to_value(Shapes::openapi()).expect("schemas are JSON");
    let mut schemas = shapes["components"]["schemas"].clone();
    schemas["Problem"] = json!({
        "type": "object",
        "description": "Why a request was refused (RFC 9457)",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "One sentence, with what to do next"},
            "order": {"type": "string"},
            "file": {"type": "string"},
            "limit": {
                "type": "object",
                "description": "The limit that was met, by the name of its setting",
                "required": ["name", "value"],
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
            },
            "damaged": {"type": "boolean", "description": "True where what is stored is damaged, or its key is: trying again does not help"},
            "missing": {"type": "array", "items": {"type": "string"}, "description": "Fields of a form to be filled in or mended"},
        },
    });
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = operation.path.replace("{*", "{");
        paths
            .entry(path)
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .expect("a path holds operations")
            .insert(operation.method.to_owned(), operation.describe());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Stemvault",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Bytes, offsets and versions are strings; counts are numbers; times are RFC 3339 in UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

impl Operation {
    fn describe(&self) -> Value {
        let parameters: Vec<_> = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| name.trim_start_matches('*'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .chain(self.query())
            .collect();
        let mut answer = json!({"description": self.summary});
        if let Some(content) = self.answer.describe() {
            answer["content"] = content;
        }
        let mut described = json!({
            "summary": self.summary,
            "parameters": parameters,
            "responses": {
                self.status: answer,
                "default": {
                    "description": "A refusal, or a failure of the server",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            },
        });
        if let Some(content) = self.request.describe() {
            let required = !matches!(
                self.request,
                J("Nothing"
                    | "NewSession"
                    | "Submitted"
                    | "Acceptance"
                    | "NewRecall"
                    | "RunRequest"
                    | "NewScrub")
            );
            described["requestBody"] = json!({"required": required, "content": content});
        }
        if self.door == Token {
            described["security"] = json!([{"token": []}]);
        }
        described
    }

    fn query(&self) -> Vec<Value> {
        let queries: &[(&str, &str)] = match (self.method, self.path) {
            ("get", "/api/v1/retention/plan") => &[(
                "at",
                "A moment (RFC 3339), a day of the studio (2026-11-23, to its end) or a span from now (31 days); now if absent",
            )],
            ("get", "/d/{link}") => &[(
                "bag",
                "Of a session link: zip, the session as a bag (BagIt 1.0); parts, what it holds beside the files",
            )],
            ("post", "/u/{link}/preflight") => &[preflight::SCOPE],
            // Upload-Metadata of tus, for clients of the draft, which has nothing like it.
            ("post", "/files" | "/u/{link}") => &[
                (
                    "filename",
                    "IETF draft: the file's name, if Content-Disposition has none",
                ),
                ("relativePath", "IETF draft: the name with its folders"),
                ("order", "IETF draft: the order's number; a link knows it"),
                (
                    "kind",
                    "IETF draft: material, delivery or stems; a link takes material",
                ),
            ],
            _ => &[],
        };
        let query = |(name, description): &(&str, &str)| json!({"name": name, "in": "query", "required": false, "schema": {"type": "string"}, "description": description});
        queries.iter().map(query).collect()
    }
}

impl Content {
    fn describe(self) -> Option<Value> {
        match self {
            N => None,
            J(schema) => Some(json!({
                "application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}
            })),
            M(media) => Some(json!({media: {"schema": {"type": "string", "format": "binary"}}})),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    found.push(to.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > OPERATIONS.len());
        for to in found {
            let there = document.pointer(to.trim_start_matches('#'));
            assert!(there.is_some(), "{to}");
        }
    }

    #[test]
    fn large_numbers_are_described_as_strings() {
        let document = document();
        for at in [
            "/components/schemas/Receipt/properties/total_bytes/type",
            "/components/schemas/Upload/properties/offset/type",
            "/components/schemas/Proof/properties/stored_bytes/type",
        ] {
            assert_eq!(document.pointer(at), Some(&json!("string")), "{at}");
        }
    }
}
