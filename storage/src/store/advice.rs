//! What whoever runs the server can look at when a store does not do what it was asked.

use std::error::Error as _;

use object_store::Error;

/// The first cause of an error, which its own words often leave out, and what to check.
pub(super) fn advice(error: &Error, is_local: bool) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    let mut first = None;
    while let Some(error) = cause {
        first = Some(error.to_string());
        cause = error.source();
    }
    let first = first.filter(|first| !said.contains(first.as_str()));
    let first = first.map_or_else(String::new, |first| format!(" ({first})"));
    said.push_str(&first);
    format!("{first}; {}", what_to_check(error, &said, is_local))
}

fn what_to_check(error: &Error, said: &str, is_local: bool) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match error {
        _ if is_local && says(&["os error 28"]) => "its disk is full: make room",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } if is_local => {
            "check that the server's account may read and write there"
        }
        _ if is_local => "check that its disk is mounted, writable and sound (`dmesg`)",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            "check its access_key_id and secret, what that key may do in the bucket, and this machine's clock"
        }
        _ if says(&["NoSuchBucket"]) => "check the bucket's name: the store does not know it",
        _ if says(&[
            "LOCATION",
            "301 Moved",
            "307 Temporary",
            "AuthorizationHeaderMalformed",
        ]) =>
        {
            "check its options region and endpoint: the bucket is elsewhere"
        }
        _ if says(&["503 Service", "SlowDown", "429 Too"]) => {
            "it takes no more requests at the moment: if that lasts, look at the store itself"
        }
        _ if says(&["500 Internal", "502 Bad", "504 Gateway"]) => {
            "it answers with errors of its own: look at the store's log"
        }
        _ if says(&["507 Insufficient"]) => "it is full: make room in the store",
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
        assert!(advice(&denied, false).contains("access_key_id"));
        assert!(advice(&denied, true).contains("account"));
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
        ] {
            let advice = advice(&generic(said), false);
            assert!(advice.contains(expected), "{said}: {advice}");
        }
    }

    #[test]
    fn the_first_cause_is_named_once() {
        let refused = std::io::Error::other("connection refused");
        let error = Error::Generic {
            store: "S3",
            source: Box::new(refused),
        };
        assert!(!advice(&error, false).contains("(connection refused)"));
    }
}
