//! What kind of content a request brings. Media types have no case, and may have parameters.

use axum::http::{HeaderMap, header};

/// Whether the content is of this type.
pub(crate) fn is(headers: &HeaderMap, kind: &str) -> bool {
    let said = headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_no_case_and_may_have_parameters() {
        let mut headers = HeaderMap::new();
        assert!(!is(&headers, "a/b"));
        for said in ["a/b", "A/B", "a/B ; c=d", " a/b"] {
            headers.insert(header::CONTENT_TYPE, said.parse().unwrap());
            assert!(is(&headers, "a/b"), "{said}");
        }
        headers.insert(header::CONTENT_TYPE, "a/bc".parse().unwrap());
        assert!(!is(&headers, "a/b"));
    }
}
