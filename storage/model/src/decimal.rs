//! 64-bit integers as decimal strings: JSON numbers lose digits beyond 2^53 in most languages, and
//! manifests are read by other people's programs.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes the integer as a string.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads an integer that was written as a string.
///
/// # Errors
/// When it is no string of decimal digits.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| D::Error::custom(format!("{text:?} is not a 64-bit integer")))
}
