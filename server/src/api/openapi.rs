//! The OpenAPI document: every route of the server, whoever serves it. It is made of the routes
//! themselves, and of the types that are sent and read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::route::{Content, Door, Operation, Schemas};

/// The whole document, OpenAPI 3.1.
pub(crate) fn document(operations: &[Operation]) -> Value {
    let mut collected = Schemas::new();
    for content in operations.iter().flat_map(|it| [it.request, it.answer]) {
        if let Content::Json(_, collect) = content {
            collect(&mut collected);
        }
    }
    let schemas: BTreeMap<_, _> = collected.into_iter().collect();
    let mut schemas = serde_json::to_value(schemas).expect("schemas are JSON");
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
    for operation in operations {
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
            .chain(self.query_parameters())
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
            let required = self.required;
            described["requestBody"] = json!({"required": required, "content": content});
        }
        if self.door == Door::Token {
            described["security"] = json!([{"token": []}]);
        }
        described
    }

    fn query_parameters(&self) -> Vec<Value> {
        let query = |(name, description): &(&str, &str)| json!({"name": name, "in": "query", "required": false, "schema": {"type": "string"}, "description": description});
        self.query.iter().map(query).collect()
    }
}

impl Content {
    fn describe(self) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Json(name, _) => Some(json!({
                "application/json": {"schema": {"$ref": format!("#/components/schemas/{}", name())}}
            })),
            Self::Media(media) => {
                Some(json!({media: {"schema": {"type": "string", "format": "binary"}}}))
            }
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
        let operations = crate::router::routes().operations;
        let document = document(&operations);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > operations.len());
        for to in found {
            let there = document.pointer(to.trim_start_matches('#'));
            assert!(there.is_some(), "{to}");
        }
    }

    #[test]
    fn large_numbers_are_described_as_strings() {
        let operations = crate::router::routes().operations;
        let document = document(&operations);
        for at in [
            "/components/schemas/Receipt/properties/total_bytes/type",
            "/components/schemas/Upload/properties/offset/type",
            "/components/schemas/Proof/properties/stored_bytes/type",
        ] {
            assert_eq!(document.pointer(at), Some(&json!("string")), "{at}");
        }
    }
}
