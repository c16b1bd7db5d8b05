//! Headers of all containers, whole, in pieces, and broken.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::made::{self, Extra, Form, STEREO24};
use super::*;

/// A reader that was given all of `file` in pieces of `size`.
fn read(file: &[u8], size: usize) -> HeaderReader {
    let mut reader = HeaderReader::new();
    for piece in file.chunks(size) {
        let mut taken = 0;
        while taken < piece.len() {
            taken += reader.push(&piece[taken..]);
        }
    }
    reader
}

#[test]
fn every_container_is_read_in_any_pieces() {
    let samples = [3; 600];
    for (name, file, offset) in made::one_of_each(&samples) {
        for size in [1, 2, 3, 7, 64, 100_000] {
            let reader = read(&file, size);
            let form = reader.samples().expect(name);
            assert_eq!((form.channels, form.sample_rate), (2, 48_000), "{name}");
            assert_eq!((form.bits, form.block_align), (24, 6), "{name}");
            assert_eq!(form.coding, Coding::Pcm, "{name}");
            assert!(form.is_coherent());
            let data = reader.data().expect(name);
            assert_eq!(data.offset, offset, "{name}");
            assert_eq!(data.length, (name != "live.caf").then_some(600), "{name}");
            assert_eq!(
                data.frame,
                if name == "late.aiff" { 0 } else { 6 },
                "{name}"
            );
            assert_eq!(
                reader.format(),
                reader.container().map(Format::Samples),
                "{name}"
            );
            assert_eq!(reader.head(), &file[..SNIFF_LEN], "{name}");
            assert_eq!(reader.offset(), file.len() as u64);
            if reader.container() != Some(Container::Caf) {
                assert_eq!(reader.declared_end(), Some(file.len() as u64), "{name}");
            }
            let big = matches!(reader.container(), Some(Container::Aiff));
            assert_eq!(form.byte_order == ByteOrder::Big, big, "{name}");
        }
    }
}

#[test]
fn the_last_byte_before_the_samples_is_enough() {
    for (name, file, offset) in made::one_of_each(&[3; 600]) {
        // A CAF has a count of edits in between, whose value nobody needs.
        let edits = if name.ends_with(".caf") { 4 } else { 0 };
        let head = &file[..usize::try_from(offset).unwrap() - edits];
        assert!(read(head, 9).data().is_some(), "{name}");
        assert!(read(&head[..head.len() - 1], 9).data().is_none(), "{name}");
        let mut reader = HeaderReader::new();
        assert_eq!(
            reader.push(&file),
            head.len(),
            "{name}: stops where the samples are known"
        );
    }
}

#[test]
fn forms_of_samples() {
    let of = |file: &[u8]| read(file, 1000).samples().unwrap();
    let float = Form {
        tag: 3,
        channels: 1,
        rate: 96_000,
        bits: 32,
    };
    assert_eq!(of(&made::wav(float, &[], &[], &[])).coding, Coding::Float);
    assert_eq!(of(&made::caf(float, false, &[], &[])).coding, Coding::Float);
    assert_eq!(
        of(&made::aiff(float, Some(b"fl32"), false, &[], &[])).coding,
        Coding::Float
    );
    let extensible = of(&made::wav_extensible(float, 32, &[]));
    assert_eq!(
        (extensible.tag, extensible.coding),
        (Tag::Wave(3), Coding::Float)
    );
    // 24 valid bits in 32.
    let wide = Form {
        tag: 1,
        channels: 2,
        rate: 44_100,
        bits: 32,
    };
    let form = of(&made::wav_extensible(wide, 24, &[]));
    assert_eq!(
        (form.bits, form.block_align, form.is_coherent()),
        (24, 8, true)
    );
    // A sub-format that is no format tag.
    let mut file = made::wav_extensible(wide, 24, &[]);
    file[44] = 0xAA;
    file[59] = 0xBB;
    let form = of(&file);
    assert!(
        matches!(form.tag, Tag::Guid([0xAA, 0, .., 0xBB])),
        "{form:?}"
    );
    assert_eq!(form.coding, Coding::Unknown);
    for tag in [0x55, 0x02, 0x11] {
        let file = made::wav(Form { tag, ..STEREO24 }, &[], &[], &[]);
        assert_eq!(
            (of(&file).tag, of(&file).coding),
            (Tag::Wave(tag), Coding::Lossy)
        );
    }
    let ima = made::aiff(STEREO24, Some(b"ima4"), false, &[], &[]);
    assert_eq!((of(&ima).coding, of(&ima).block_align), (Coding::Lossy, 68));
    for rate in [8_000, 11_025, 44_100, 88_200, 192_000, 384_000] {
        let form = Form { rate, ..STEREO24 };
        assert_eq!(
            of(&made::aiff(form, None, false, &[], &[])).sample_rate,
            rate
        );
        assert_eq!(of(&made::caf(form, false, &[], &[])).sample_rate, rate);
    }
}

#[test]
fn broken_headers_never_panic_and_never_make_data_move() {
    let mut rng = StdRng::seed_from_u64(7);
    let originals = made::one_of_each(&[0; 300]);
    let mut unread = 0;
    for round in 0..20_000 {
        let (_, original, _) = &originals[round % originals.len()];
        let mut file = original.clone();
        for _ in 0..rng.random_range(1..12) {
            let at = rng.random_range(0..file.len().min(120));
            file[at] = rng.random();
        }
        let mut reader = HeaderReader::new();
        let mut known = None;
        for piece in file.chunks(rng.random_range(1..50)) {
            let mut taken = 0;
            while taken < piece.len() {
                let now = reader.push(&piece[taken..]);
                assert!(now > 0);
                taken += now;
                if known.is_none() && reader.data().is_some() {
                    known = reader.data();
                    assert!(known.unwrap().offset >= reader.offset());
                }
                assert_eq!(reader.data(), known);
            }
        }
        unread += usize::from(known.is_none());
        if let Some(form) = reader.samples() {
            let _ = form.is_coherent();
        }
    }
    assert!((1_000..19_000).contains(&unread), "{unread}");
}

#[test]
fn first_bytes_are_recognised() {
    let cases: [(&[u8], Option<Format>); 22] = [
        (b"fLaC\0\0\0\x22", Some(Format::Flac)),
        (b"ID3\x04\0\0\0\0\0\0", Some(Format::Mp3)),
        (&[0xFF, 0xFB, 0x90, 0x64], Some(Format::Mp3)),
        (&[0xFF, 0xF3, 0x48, 0xC4], Some(Format::Mp3)),
        (&[0xFF, 0xF1, 0x50, 0x80], Some(Format::Aac)),
        (b"\0\0\0\x20ftypM4A ", Some(Format::Mp4)),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead",
            Some(Format::Opus),
        ),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1e\x01vorbis",
            Some(Format::Ogg),
        ),
        (
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
            Some(Format::Wma),
        ),
        (b"PK\x03\x04\x14\0", Some(Format::Zip)),
        (b"%PDF-1.7", Some(Format::Pdf)),
        (b"MThd\0\0\0\x06", Some(Format::Midi)),
        (&[0xFF, 0xD8, 0xFF, 0xE0], Some(Format::Picture)),
        (b"\r\n<!DOCTYPE HTML>", Some(Format::WebPage)),
        (b"RIFF\x10\0\0\0AVI LIST", None),
        (b"FORM\0\0\0\x10ILBM", None),
        // UTF-16 text, and text.
        (&[0xFF, 0xFE, b'H', 0, b'i', 0], None),
        (b"Vocals up 1 dB", None),
        (&[0xFF, 0xFF, 0xFF, 0xFF], None),
        (&[0; 48], None),
        (&[0xFF], None),
        (b"", None),
    ];
    for (head, format) in cases {
        assert_eq!(sniff(head), format, "{head:02x?}");
        // The reader sees the same, byte by byte; an ID3 tag alone is enough for it.
        assert_eq!(read(head, 1).format(), format, "{head:02x?}");
    }
}

#[test]
fn an_id3_tag_is_looked_behind() {
    let tag = b"ID3\x03\0\0\0\0\x01\x10";
    let body = [0; 128 + 16];
    let wav = made::wav(STEREO24, &[], &[1; 60], &[]);
    for (behind, format) in [
        (wav.as_slice(), Format::Samples(Container::Wav)),
        (b"fLaC\0\0\0\x22", Format::Flac),
        (&[0xFF, 0xFB, 0x90, 0x64], Format::Mp3),
        (b"whatever this is", Format::Mp3),
        (b"", Format::Mp3),
    ] {
        let file = [tag.as_slice(), &body, behind].concat();
        for size in [1, 5, 1000] {
            assert_eq!(
                read(&file, size).format(),
                Some(format),
                "{format:?} in {size}s"
            );
        }
    }
    let file = [tag.as_slice(), &body, &wav].concat();
    let reader = read(&file, 3);
    assert_eq!(reader.data().unwrap().offset, 154 + 44);
    assert_eq!(reader.declared_end(), Some(file.len() as u64));
}

#[test]
fn a_flac_tells_its_form_in_its_first_bytes() {
    let mut head = b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0".to_vec();
    // 44,100 Hz, 2 channels, 16 bit.
    head.extend([0x0A, 0xC4, 0x42, 0xF0, 0, 0, 0, 0]);
    let form = flac_samples(&head).unwrap();
    assert_eq!(
        (form.sample_rate, form.channels, form.bits),
        (44_100, 2, 16)
    );
    assert_eq!(flac_samples(&head[..20]), None);
    assert_eq!(flac_samples(b"OggS"), None);
}

#[test]
fn the_state_is_small_wherever_it_is_stored() {
    let tail: [Extra<'_>; 1] = [(b"LIST", b"INFOISFT")];
    let mut files = made::one_of_each(&[200; 100]);
    files.push((
        "more.wav",
        made::wav(STEREO24, &[(b"bext", &[255; 700])], &[], &tail),
        0,
    ));
    for (name, file, _) in files {
        let mut reader = HeaderReader::new();
        for byte in &file {
            assert_eq!(reader.push(&[*byte]), 1);
            let stored = serde_json::to_string(&reader).unwrap();
            assert!(stored.len() < 1500, "{name}: {} bytes", stored.len());
            reader = serde_json::from_str(&stored).unwrap();
        }
        assert_eq!(reader, read(&file, file.len()), "{name}");
    }
}
