//! `Range`: which bytes of a file are asked for (RFC 9110, 14).

use std::ops::Range;

/// More ranges than any player or downloader asks for at once.
const RANGES_MAX: usize = 32;

/// What a `Range` header means for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing else was asked for, or not in a way that has to be understood.
    Whole,
    /// These bytes; at least one range, none empty, all within the file, as they were asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing that the file has.
    Nothing,
}

/// Reads a `Range` header for a file of `length` bytes.
///
/// A malformed header, another unit, too many ranges, and ranges that add up to more than the file
/// are answered with the whole file, as the standard allows.
#[must_use]
pub fn wanted(header: &str, length: u64) -> Wanted {
    let Some((unit, set)) = header.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts = Vec::new();
    let mut asked = 0;
    for spec in set
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty())
    {
        asked += 1;
        match part(spec, length) {
            None => return Wanted::Whole,
            Some(part) if part.is_empty() => {}
            Some(part) => parts.push(part),
        }
    }
    let bytes = parts
        .iter()
        .try_fold(0u64, |sum, part| sum.checked_add(part.end - part.start));
    if asked == 0 || asked > RANGES_MAX || bytes.is_none_or(|bytes| bytes > length) {
        return Wanted::Whole;
    }
    if parts.is_empty() {
        return Wanted::Nothing;
    }
    Wanted::Parts(parts)
}

/// One range, cut to the file; empty if it lies outside, `None` if it is malformed.
fn part(spec: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(length.saturating_sub(suffix)..length);
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some(first.min(length)..last.saturating_add(1).min(length))
}

/// Digits only; more than 64 bits can hold is as far as one can count.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        let one = |header: &str| match wanted(header, 100) {
            Wanted::Parts(parts) if parts.len() == 1 => parts[0].clone(),
            other => panic!("{header}: {other:?}"),
        };
        assert_eq!(one("bytes=0-0"), 0..1);
        assert_eq!(one("bytes=10-19"), 10..20);
        assert_eq!(one("bytes=90-"), 90..100);
        assert_eq!(one("bytes=90-99999999999999999999999"), 90..100);
        assert_eq!(one("bytes=-1"), 99..100);
        assert_eq!(one("bytes=-500"), 0..100);
        assert_eq!(one("Bytes = 3-4 , 200-"), 3..5);
    }

    #[test]
    fn several_are_kept_in_the_order_asked() {
        let parts = Wanted::Parts(vec![50..60, 0..1, 99..100]);
        assert_eq!(wanted("bytes=50-59,0-0,-1", 100), parts);
    }

    #[test]
    fn what_is_outside_is_said_and_what_is_malformed_is_ignored() {
        for outside in ["bytes=100-", "bytes=100-200,300-", "bytes=-0"] {
            assert_eq!(wanted(outside, 100), Wanted::Nothing, "{outside}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        for odd in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "lines=0-1",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=-",
            "bytes=+1-2",
            "bytes=0-1,x",
        ] {
            assert_eq!(wanted(odd, 100), Wanted::Whole, "{odd}");
        }
    }

    #[test]
    fn nobody_gets_more_than_the_file() {
        assert_eq!(wanted("bytes=0-,0-", 100), Wanted::Whole);
        let many = format!("bytes={}", ["0-0"; 33].join(","));
        assert_eq!(wanted(&many, 100), Wanted::Whole);
    }
}
