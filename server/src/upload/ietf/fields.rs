//! Values of structured fields (RFC 9651), as the draft's headers bear them. Pure; takes any bytes.

use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};

/// The value of an Item that is a Boolean; parameters say nothing.
#[must_use]
pub fn boolean(value: &[u8]) -> Option<bool> {
    match item(value)? {
        BareItem::Boolean(value) => Some(value),
        _ => None,
    }
}

/// The value of an Item that is an Integer and not negative: at most 999,999,999,999,999.
#[must_use]
pub fn number(value: &[u8]) -> Option<u64> {
    match item(value)? {
        BareItem::Integer(value) => u64::try_from(i64::from(value)).ok(),
        _ => None,
    }
}

/// The members of a Dictionary of Byte Sequences, by their keys. Others in it are no digests, and
/// make the whole unreadable, as does an empty one.
#[must_use]
pub fn digests(value: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    members(value, |item| match item {
        BareItem::ByteSequence(value) => Some(value),
        _ => None,
    })
}

/// The members of a Dictionary of Integers from 0 to 10, by their keys.
#[must_use]
pub fn preferences(value: &[u8]) -> Option<Vec<(String, i64)>> {
    members(value, |item| match item {
        BareItem::Integer(value) => Some(i64::from(value)).filter(|it| (0..=10).contains(it)),
        _ => None,
    })
}

fn members<T>(value: &[u8], read: impl Fn(BareItem) -> Option<T>) -> Option<Vec<(String, T)>> {
    let members: Dictionary = Parser::new(value).parse().ok()?;
    let members = members.into_iter().map(|(key, entry)| match entry {
        ListEntry::Item(item) => Some((key.as_str().to_owned(), read(item.bare_item)?)),
        ListEntry::InnerList(_) => None,
    });
    let members: Vec<_> = members.collect::<Option<_>>()?;
    (!members.is_empty()).then_some(members)
}

fn item(value: &[u8]) -> Option<BareItem> {
    let item: Item = Parser::new(value).parse().ok()?;
    Some(item.bare_item)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn booleans_are_question_marks() {
        assert_eq!(boolean(b"?1"), Some(true));
        assert_eq!(boolean(b" ?0 "), Some(false));
        assert_eq!(boolean(b"?1;late;by=\"a day\""), Some(true));
        for other in [
            "", "1", "true", "?2", "?", "?1, ?1", "?1 ?0", "\"?1\"", "?1;A",
        ] {
            assert_eq!(boolean(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn numbers_have_at_most_fifteen_digits() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"007;x=1.5"), Some(7));
        assert_eq!(number(b"999999999999999"), Some(999_999_999_999_999));
        let others = [
            "",
            "-1",
            "+1",
            "1.0",
            "1000000000000000",
            "18446744073709551616",
            "0x10",
            "1, 1",
            "\"1\"",
            "?1",
            "1 2",
            "1;",
            "\u{663}",
        ];
        for other in others {
            assert_eq!(number(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn anything_can_be_asked() {
        let mut seeded = StdRng::seed_from_u64(8941);
        let likely = b"?01;=\"\\,.-:*@% aA9\xff\0";
        for _ in 0..20_000 {
            let length = seeded.random_range(0..24);
            let value: Vec<u8> = (0..length)
                .map(|_| likely[seeded.random_range(0..likely.len())])
                .collect();
            assert!(boolean(&value).is_none() || number(&value).is_none());
            // What is read says the same again without what was around it.
            if let Some(read) = number(&value) {
                assert_eq!(number(read.to_string().as_bytes()), Some(read));
            }
        }
    }
}
