//! What strangers say, taken apart by everything that takes it apart: one function a parser, which
//! takes any bytes and panics if a promise is broken.
//!
//! `tests/fuzz` feeds them, with a fuzzer or with the inputs that are kept there. Not in any build
//! that is shipped.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use stemvault_codec::audio::{ByteOrder, HeaderReader};
use stemvault_codec::pack::{Codec, Number, Samples, decode, encode};
use stemvault_storage::block::{Logical, SealError, Sealer, open};
use stemvault_storage::ids::OrderId;
use stemvault_storage::keys::SealingKeys;
use stemvault_storage::names::hazards;
use stemvault_storage::path::{NAME_MAX, PATH_MAX, SessionPath};
use stemvault_storage::upload::cut::{BLOCK_MAX, Cut};

use crate::frames::Frames;
use crate::preflight::Head;
use crate::ranges::{Wanted, wanted};
use crate::upload::checksum::Checksum;
use crate::upload::ietf::fields;
use crate::upload::metadata::Metadata;
use crate::upload::tus::concat::{ADDRESS_MAX, Concat};
use stemvault_client::attachment::disposition;
use stemvault_client::disposition::file_name;

/// One parser's name, and what is to be fed.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("metadata", upload_metadata),
    ("concat", upload_concat),
    ("checksum", upload_checksum),
    ("fields", structured_fields),
    ("disposition", content_disposition),
    ("path", session_path),
    ("range", range),
    ("preflight", preflight),
    ("audio", audio),
    ("sealed", sealed),
    ("codec", codec),
    ("packed", packed),
];

/// The lines of `bytes` as lines of one header, unless HTTP itself would not let them through.
fn header(name: &'static str, bytes: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = HeaderValue::from_bytes(line).ok()?;
        headers.append(HeaderName::from_static(name), line);
    }
    Some(headers)
}

fn upload_metadata(bytes: &[u8]) {
    let Some(headers) = header("upload-metadata", bytes) else {
        return;
    };
    let Ok(mut metadata) = Metadata::parse(&headers) else {
        return;
    };
    let names = ["filename", "relativePath", "kind", "order", "modified"];
    let before = names.map(|name| metadata.get(name).map(|it| it.map(str::to_owned)));
    if let Ok(path) = metadata.path() {
        check(&path);
    }
    let _ = metadata.kind();
    let _ = metadata.check_required(&["artist".to_owned(), "filename".to_owned()]);
    // What is kept says the same again.
    if let Some(kept) = metadata.to_record().get("as sent") {
        let again = header("upload-metadata", kept.as_bytes()).expect("it was a header before");
        let again = Metadata::parse(&again).expect("it was plain text before");
        let after = names.map(|name| again.get(name).map(|it| it.map(str::to_owned)));
        assert_eq!(before, after);
    }
    metadata.add("added by us", "größer");
    assert_eq!(metadata.get("added by us"), Ok(Some("größer")));
}

fn upload_concat(bytes: &[u8]) {
    let Some(headers) = header("upload-concat", bytes) else {
        return;
    };
    if let Ok(Some(Concat::Final(parts))) = Concat::of(&headers) {
        assert!(!parts.is_empty());
        for part in parts {
            assert!((1..=ADDRESS_MAX).contains(&part.len()) && !part.contains(' '));
        }
    }
}

fn upload_checksum(bytes: &[u8]) {
    let Some(headers) = header("upload-checksum", bytes) else {
        return;
    };
    if let Ok(Some(mut sum)) = Checksum::of(&headers) {
        sum.update(bytes);
        assert!(!sum.came_right(), "a header that holds its own sum");
    }
}

fn structured_fields(bytes: &[u8]) {
    for (key, value) in fields::digests(bytes).unwrap_or_default() {
        assert!(!key.is_empty() && value.len() < bytes.len());
        assert!(fields::preferences(bytes).is_none());
    }
    let number = fields::number(bytes);
    assert!(number.is_none() || fields::boolean(bytes).is_none());
    if let Some(number) = number {
        assert!(number <= 999_999_999_999_999);
        assert_eq!(fields::number(number.to_string().as_bytes()), Some(number));
    }
}

fn content_disposition(bytes: &[u8]) {
    if let Ok(Some(name)) = file_name(bytes) {
        assert!(name.len() <= 2 * bytes.len());
        let again = file_name(disposition(&name).as_bytes());
        assert_eq!(again, Ok(Some(name)));
    }
}

fn session_path(bytes: &[u8]) {
    let Ok(raw) = std::str::from_utf8(bytes) else {
        return;
    };
    match SessionPath::parse(raw) {
        Ok(path) => {
            assert_eq!(path.raw(), raw);
            check(&path);
        }
        // A sentence that shows a part of what was sent, not a copy of all of it.
        Err(why) => assert!(why.to_string().len() < 4_000),
    }
}

fn check(path: &SessionPath) {
    let normal = path.as_str();
    assert!(!normal.is_empty() && normal.len() <= PATH_MAX && !normal.contains('\\'));
    for name in normal.split('/') {
        assert!(!matches!(name, "" | "." | "..") && name.len() <= NAME_MAX);
        assert!(!name.chars().any(char::is_control));
    }
    let again = SessionPath::parse(normal).expect("a path that was accepted");
    assert_eq!(again.as_str(), normal);
    assert_eq!(again.collation_key(), path.collation_key());
    let _ = (path.is_junk(), path.file_name(), hazards(normal));
}

fn range(bytes: &[u8]) {
    let Some((length, header)) = bytes.split_first_chunk() else {
        return;
    };
    let length = u64::from_be_bytes(*length);
    let Ok(header) = std::str::from_utf8(header) else {
        return;
    };
    if let Wanted::Parts(parts) = wanted(header, length) {
        assert!(!parts.is_empty());
        let mut sum = 0_u64;
        for part in parts {
            assert!(part.start < part.end && part.end <= length);
            sum += part.end - part.start;
        }
        assert!(sum <= length);
    }
}

/// The first byte says in which steps the rest comes.
fn preflight(bytes: &[u8]) {
    let Some((step, body)) = bytes.split_first() else {
        return;
    };
    let read = |step: usize| {
        let mut frames = Frames::<Head>::default();
        for piece in body.chunks(step) {
            frames.push(piece)?;
        }
        frames.finish()
    };
    assert_eq!(read(usize::from(*step).max(1)), read(usize::MAX));
}

/// The first byte says in which steps the rest comes.
fn audio(bytes: &[u8]) {
    let Some((step, file)) = bytes.split_first() else {
        return;
    };
    let step = usize::from(*step).max(1);
    let mut whole = HeaderReader::new();
    push(&mut whole, file);
    let mut pieces = HeaderReader::new();
    for piece in file.chunks(step) {
        push(&mut pieces, piece);
    }
    assert_eq!(whole, pieces);
    assert_eq!(whole.offset(), file.len() as u64);
    let stored = serde_json::to_vec(&whole).expect("plain fields");
    assert!(stored.len() < 1_500, "{} bytes", stored.len());
    let _ = (whole.format(), whole.declared_end(), whole.is_over());

    let mut cut = Cut::new();
    let mut ends = 0;
    for (nth, piece) in file.chunks(step).enumerate() {
        let mut rest = piece;
        while let Some(taken) = cut.next_end(rest) {
            assert!(taken > 0);
            rest = &rest[taken..];
            ends += 1;
        }
        assert!(cut.block_len() < BLOCK_MAX);
        if nth % 64 > 0 {
            continue;
        }
        let stored = serde_json::to_vec(&cut).expect("plain fields");
        let again: Cut = serde_json::from_slice(&stored).expect("it was stored so");
        assert_eq!(again, cut);
    }
    assert_eq!(cut.offset(), file.len() as u64);
    assert!(ends <= file.len());
    let _ = cut.facts().usable_samples();
}

fn push(reader: &mut HeaderReader, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let taken = reader.push(bytes);
        assert!(taken > 0);
        bytes = &bytes[taken..];
    }
}

/// Nothing opens that was not sealed, and what was sealed by someone with the key may be no
/// content at all. The first byte chooses; then come a length and the content.
fn sealed(bytes: &[u8]) {
    const LIMIT: usize = 1 << 20;
    static KEYS: std::sync::OnceLock<SealingKeys> = std::sync::OnceLock::new();
    let keys = KEYS.get_or_init(SealingKeys::random);
    let (order, what) = (OrderId([7; 16]), Logical::Tombstone);
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    if choice % 4 == 0 {
        let opened = open(keys, order, &what, rest.to_vec().into(), LIMIT);
        assert!(opened.is_err(), "nobody sealed this");
        return;
    }
    let Some((length, content)) = rest.split_first_chunk() else {
        return;
    };
    let length = u64::from_be_bytes(*length);
    let codec = match choice % 4 {
        1 => Codec::Zstd,
        2 => Codec::Stored,
        _ => Codec::Predicted,
    };
    let mut sealer = Sealer::with_capacity(content.len());
    sealer.push(content);
    let object = sealer.seal(keys, order, &what, codec, length);
    if let Ok(plain) = open(keys, order, &what, object.clone(), LIMIT) {
        assert!(plain.len() as u64 == length && plain.len() <= LIMIT);
    }
    // The same with one bit changed, wherever the length points to.
    let mut bad = object.to_vec();
    let at = usize::try_from(length % bad.len() as u64).expect("shorter than an object");
    bad[at] ^= 1 << (choice >> 5);
    match open(keys, order, &what, bad.into(), LIMIT) {
        Ok(_) => panic!("a changed bit was not noticed"),
        Err(SealError::Undecodable(why)) => panic!("it was decoded unproven: {why}"),
        Err(_) => {}
    }
}

/// What is packed comes back, whatever its samples are said to be: the first four bytes say it.
fn codec(bytes: &[u8]) {
    let Some(([number, width, channels, other], plain)) = bytes.split_first_chunk() else {
        return;
    };
    let samples = Samples {
        number: [Number::Signed, Number::Unsigned, Number::Float][usize::from(number % 3)],
        byte_order: [ByteOrder::Little, ByteOrder::Big][usize::from(other & 1)],
        bytes: width % 10,
        channels: u16::from(*channels),
        sample_rate: 48_000 << (other >> 7),
    };
    for samples in [None, Some(&samples)] {
        let (codec, packed) = encode(plain, samples);
        assert!(packed.len() <= plain.len());
        let back = decode(codec, &packed, plain.len());
        assert!(back.is_ok_and(|back| back == plain), "{samples:?}");
    }
}

/// Any bytes as a predicted block: three bytes of the length it should have, then the block.
fn packed(bytes: &[u8]) {
    let Some(([a, b, c], packed)) = bytes.split_first_chunk() else {
        return;
    };
    let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if let Ok(plain) = decode(Codec::Predicted, packed, length) {
        assert_eq!(plain.len(), length);
        let again = decode(Codec::Predicted, packed, length);
        assert!(
            again.is_ok_and(|again| again == plain),
            "it depends on something else"
        );
    }
}
