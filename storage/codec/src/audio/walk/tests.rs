//! Walks along whole files and stumps, in pieces of any size, stored and restored between them.

use super::*;
use crate::audio::HeaderReader;

/// What is said of a whole file that comes in pieces of these lengths.
fn said(file: &[u8], step: usize) -> Packed {
    let mut header = HeaderReader::new();
    for piece in file.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = header.push(rest);
            rest = &rest[taken..];
        }
        let stored = serde_json::to_string(&header).unwrap();
        assert!(stored.len() < 950, "{}: {stored}", stored.len());
        header = serde_json::from_str(&stored).unwrap();
    }
    header.packed(true)
}

fn of(file: &[u8]) -> Packed {
    let said_of_all = said(file, usize::MAX);
    for step in [1, 7, 50] {
        assert_eq!(said(file, step), said_of_all, "in pieces of {step}");
    }
    said_of_all
}

fn boxed(name: &[u8; 4], body: usize) -> Vec<u8> {
    let size = u32::try_from(body + 8).unwrap();
    [&size.to_be_bytes(), &name[..], &vec![7; body]].concat()
}

#[test]
fn an_mp4_without_its_table_is_found() {
    let (kind, sound, table) = (boxed(b"ftyp", 20), boxed(b"mdat", 900), boxed(b"moov", 99));
    let whole = [&kind[..], &sound, &table].concat();
    let front = [&kind[..], &table, &sound].concat();
    assert_eq!(of(&whole), Packed::Unknown);
    assert_eq!(of(&front), Packed::Unknown);
    let end = (kind.len() + sound.len()) as u64;
    assert_eq!(of(&whole[..500]), Packed::AtLeast(end));
    assert_eq!(of(&whole[..end as usize]), Packed::Broken, "no moov at all");
    assert_eq!(of(&whole[..1000]), Packed::AtLeast(whole.len() as u64));
    assert_eq!(of(&front[..800]), Packed::AtLeast(whole.len() as u64));
    let zeros = [&whole[..], &[0; 3000]].concat();
    assert_eq!(of(&zeros), Packed::Unknown, "what stands behind");
    let mut long = [&kind[..], &[0, 0, 0, 1], b"mdat"].concat();
    long.extend(5_000_000_000u64.to_be_bytes());
    assert_eq!(of(&long), Packed::AtLeast(28 + 5_000_000_000));
    let open = [&kind[..], &table, &[0; 4], b"mdat", &[7; 500]].concat();
    assert_eq!(of(&open), Packed::Unknown, "to the end of the file");
}

fn page(flags: u8, body: usize) -> Vec<u8> {
    let mut page = [&b"OggS\0"[..], &[flags], &[0; 20]].concat();
    let lacing = [vec![255; body / 255], vec![(body % 255) as u8]].concat();
    page.push(lacing.len() as u8);
    [page, lacing, vec![7; body]].concat()
}

#[test]
fn the_last_page_of_an_ogg_says_so() {
    let whole = [page(2, 30), page(0, 4000), page(0, 0), page(4, 300)].concat();
    assert_eq!(of(&whole), Packed::AtLeast(27), "nothing but its beginning");
    let two = [&whole[..], &whole].concat();
    assert_eq!(of(&two), Packed::AtLeast(27), "one behind the other");
    let last = whole.len() - page(4, 300).len();
    assert_eq!(of(&whole[..last]), Packed::Open);
    assert_eq!(of(&whole[..last + 9]), Packed::Open);
    assert_eq!(of(&whole[..last + 50]), Packed::AtLeast(whole.len() as u64));
    let tag = [&whole[..last], b"TAG", &[0; 125]].concat();
    assert_eq!(of(&tag), Packed::AtLeast(27), "lost its way");
}

fn block(index: u32, all: u32, body: usize) -> Vec<u8> {
    let size = u32::try_from(body + 24).unwrap();
    let mut block = [&b"wvpk"[..], &size.to_le_bytes(), &[0x10, 4, 0, 0]].concat();
    for field in [all, index, 1000, 0, 0] {
        block.extend(field.to_le_bytes());
    }
    [block, vec![7; body]].concat()
}

#[test]
fn a_wavpack_ends_with_its_last_block() {
    let whole: Vec<_> = (0..4).map(|n| block(n * 1000, 4000, 500)).collect();
    assert_eq!(of(&whole.concat()), Packed::AtLeast(532 + 3 * 32));
    let short = Packed::Short {
        promised: 4000,
        there: 3000,
    };
    assert_eq!(of(&whole[..3].concat()), short);
    let cut = &whole.concat()[..1700];
    assert_eq!(of(cut), Packed::AtLeast(4 * 532));
    let unknown: Vec<_> = (0..2).map(|n| block(n * 1000, u32::MAX, 500)).collect();
    assert_eq!(of(&unknown.concat()), Packed::AtLeast(532));
}

#[test]
fn an_mp3_says_how_long_it_is() {
    let first = |at: usize, head: [u8; 4], told: &[u8]| {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&head);
        frame[at..at + told.len()].copy_from_slice(told);
        frame
    };
    let bytes = 60_000u32.to_be_bytes();
    let xing = [&b"Xing\0\0\0\x03\0\0\0\x3c"[..], &bytes].concat();
    let only_bytes = [&b"Info\0\0\0\x02"[..], &bytes].concat();
    let vbri = [&b"VBRI\0\x01\0\0\0\0"[..], &bytes].concat();
    for (name, frame) in [
        ("stereo", first(36, [0xFF, 0xFB, 0x90, 0x04], &xing)),
        ("mono", first(21, [0xFF, 0xFB, 0x90, 0xC4], &only_bytes)),
        ("MPEG-2 mono", first(13, [0xFF, 0xF3, 0x84, 0xC4], &xing)),
        ("VBRI", first(36, [0xFF, 0xFB, 0x90, 0x04], &vbri)),
    ] {
        assert_eq!(of(&frame), Packed::AtLeast(60_000 - 1441), "{name}");
        let tag = [&b"ID3\x03\0\0\0\0\x10\0"[..], &[0; 2048], &frame].concat();
        assert_eq!(of(&tag), Packed::AtLeast(60_000 - 1441 + 2058), "{name}");
        let whole = [&frame[..], &[7; 60_000]].concat();
        assert_eq!(of(&whole), Packed::Unknown, "{name}");
    }
    let none = first(36, [0xFF, 0xFB, 0x90, 0x04], b"LAME");
    assert_eq!(of(&none), Packed::Unknown);
}

#[test]
fn a_file_that_was_begun_before_says_nothing() {
    let whole = [boxed(b"ftyp", 20), boxed(b"mdat", 900)].concat();
    let mut header = HeaderReader::new();
    header.push(&whole[..100]);
    let mut stored = serde_json::to_value(&header).unwrap();
    assert!(stored.as_object_mut().unwrap().remove("walk").is_some());
    let mut header: HeaderReader = serde_json::from_value(stored).unwrap();
    header.push(&whole[100..]);
    assert_eq!(header.packed(true), Packed::Unknown);
}
