//! What whoever runs the server can look at when a store does not do what it was asked.

use std::error::Error as _;

use object_store::Error;

use crate::error::is_full;

/// What a store said, the first cause of it, which its own words often leave out, and what to check.
pub(super) fn in_words(error: &Error, is_local: bool) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    let mut first = None;
    while let Some(error) = cause {
        first = Some(error.to_string());
        cause = error.source();
    }
    if let Some(first) = first.filter(|first| !said.contains(first.as_str())) {
        said = format!("{said} ({first})");
    }
    let check = what_to_check(error, &said, is_local);
    format!("{}; {check}", without_markup(&said))
}

/// Stores answer in XML: its code and its message are what people read.
fn without_markup(said: &str) -> String {
    let markup = said.find("<?xml").or_else(|| said.find("<Error>"));
    let Some((before, markup)) = markup.map(|at| said.split_at(at)) else {
        return said.to_owned();
    };
    let of = |tag: &str| {
        let (_, value) = markup.split_once(&format!("<{tag}>"))?;
        Some(value.split_once("</")?.0.trim())
    };
    let told: Vec<_> = [of("Code"), of("Message")].into_iter().flatten().collect();
    let told = format!("{before}{}", told.join(": "));
    told.trim_end_matches(&[' ', '.', ':', '\n'][..]).to_owned()
}

const RIGHTS: &str = "check its access_key_id and secret, what that key may do in the bucket, and this machine's clock";

fn what_to_check(error: &Error, said: &str, is_local: bool) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match error {
        error if is_full(error) && is_local => "its disk is full: make room",
        error if is_full(error) => {
            "it is full: make room in the bucket, or raise its quota or that of the account"
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } if is_local => {
            "check that the server's account may read and write there"
        }
        _ if is_local => "check that its disk is mounted, writable and sound (`dmesg`)",
        _ if says(&[
            "LOCATION",
            "301 Moved",
            "307 Temporary",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
        ]) =>
        {
            "check its options region and endpoint: the bucket is elsewhere"
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => RIGHTS,
        _ if says(&[
            "AccessKeyId",
            "SignatureDoesNotMatch",
            "UserNotFound",
            "RequestTimeTooSkewed",
        ]) =>
        {
            RIGHTS
        }
        _ if says(&["NoSuchBucket"]) => "check the bucket's name: the store does not know it",
        _ if says(&["503 Service", "SlowDown", "429 Too"]) => {
            "it takes no more requests at the moment: if that lasts, look at the store itself"
        }
        _ if says(&["500 Internal", "502 Bad", "504 Gateway"]) => {
            "it answers with errors of its own: look at the store's log"
        }
        _ => "it does not answer: check that it runs, its option endpoint, and the network between",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(said: &str) -> Error {
        Error::Generic {
            store: "S3",
            source: said.to_owned().into(),
        }
    }

    #[test]
    fn each_failure_is_told_apart() {
        let denied = Error::PermissionDenied {
            path: "a".into(),
            source: "no".into(),
        };
        assert!(in_words(&denied, false).contains("access_key_id"));
        assert!(in_words(&denied, true).contains("account"));
        for (said, expected) in [
            (
                "status code: 404 Not Found: <Code>NoSuchBucket</Code>",
                "bucket's name",
            ),
            ("Received redirect without LOCATION", "region"),
            (
                "status code: 503 Service Unavailable: SlowDown",
                "no more requests",
            ),
            (
                "status code: 500 Internal Server Error",
                "errors of its own",
            ),
            ("HTTP error: operation timed out", "does not answer"),
            ("403 Forbidden: <Code>QuotaExceeded</Code>", "quota"),
            ("status code: 507 Insufficient Storage", "make room"),
        ] {
            let advice = in_words(&generic(said), false);
            assert!(advice.contains(expected), "{said}: {advice}");
            assert_eq!(is_full(&generic(said)), advice.contains("full"), "{said}");
        }
        // What refuses for want of room is no matter of rights.
        let quota = Error::PermissionDenied {
            path: "a".into(),
            source: "<Code>QuotaExceeded</Code>".into(),
        };
        assert!(in_words(&quota, false).contains("make room in the bucket"));
    }

    #[test]
    fn the_first_cause_is_named_once_and_without_markup() {
        let refused = std::io::Error::other("connection refused");
        let error = Error::Generic {
            store: "S3",
            source: Box::new(refused),
        };
        let said = in_words(&error, false);
        assert_eq!(said.matches("connection refused").count(), 1, "{said}");
        let told = "404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>There is none.</Message><HostId>x</HostId></Error>";
        let said = in_words(&generic(told), false);
        let expected = "404 Not Found: NoSuchBucket: There is none; check the bucket's name";
        assert!(said.contains(expected), "{said}");
    }
}
