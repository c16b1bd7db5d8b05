//! The body of a preflight: a row of files with the first bytes of each, at most 64 KiB; or of
//! files that were looked at before, to be compared.
//!
//! Nothing of a head is kept, so a request takes a few hundred bytes of memory a file, whatever is in it.

use stemvault_storage::checks::preflight::{Candidate, HEAD_MAX, Start};

use crate::frames::{Frame, Said};

/// Files in one request, at most.
pub const FILES_MAX: usize = 256;
/// Files that are compared by one request, at most.
pub const TOGETHER_MAX: usize = 20_000;
/// Bytes of one request, at most.
pub const BODY_MAX: usize = 20 << 20;

/// The beginning of one file.
pub(crate) struct Head(Start);

impl Frame for Head {
    const NAME: &'static str = "the preflight";
    const MEDIA: &'static str = "application/vnd.stemvault.preflight";
    const FILES_MAX: usize = FILES_MAX;
    const BODY_MAX: usize = BODY_MAX;
    const BYTES_MAX: usize = HEAD_MAX;
    type File = Candidate;

    fn begin(said: Said, length: u64, _: usize) -> Result<Self, String> {
        Ok(Self(Start::new(said.path, length)))
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    fn end(self) -> Candidate {
        self.0.candidate()
    }
}

/// A file that was looked at before: what was seen of it then, and none of its bytes.
pub(crate) struct Again(Start);

impl Frame for Again {
    const NAME: &'static str = Head::NAME;
    const MEDIA: &'static str = Head::MEDIA;
    const FILES_MAX: usize = TOGETHER_MAX;
    const BODY_MAX: usize = BODY_MAX;
    const BYTES_MAX: usize = 0;
    type File = Candidate;

    fn begin(said: Said, length: u64, _: usize) -> Result<Self, String> {
        Ok(Self(Start::new(said.path, length).seen(said.seen)))
    }

    fn push(&mut self, _: &[u8]) {}

    fn end(self) -> Candidate {
        self.0.candidate()
    }
}

#[cfg(test)]
mod tests {
    use stemvault_storage::checks::facts::Known;

    use stemvault_storage::refusal::{Refusal, RefusalKind};

    use super::*;
    use crate::frames::Frames;

    fn file(json: &str, head: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [json.as_bytes(), head] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Candidate>, Refusal> {
        let mut frames = Frames::<Head>::default();
        for piece in bytes.chunks(step) {
            frames.push(piece)?;
        }
        frames.finish()
    }

    #[test]
    fn files_are_the_same_however_the_body_is_cut() {
        let mut body = file(
            r#"{"path": "a.wav", "length": "18446744073709551615"}"#,
            b"RIFF",
        );
        body.extend(file(r#"{"path": "b.txt", "length": "0", "new": 1}"#, b""));
        body.extend(file(
            r#"{"path": "c.mp3", "length": "5"}"#,
            b"\xFF\xFB\x90\x64\0",
        ));
        let files = read(&body, usize::MAX).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.wav", "b.txt", "c.mp3"]);
        let known: Vec<_> = files.iter().map(|file| file.known).collect();
        assert_eq!(known, [Known::Length, Known::Header, Known::Header]);
        assert_eq!(files[0].facts.length, u64::MAX);
        for step in [1, 3, 7, 64] {
            assert_eq!(read(&body, step).unwrap(), files);
        }
        assert_eq!(read(b"", 1).unwrap(), []);
    }

    #[test]
    fn a_body_that_is_none_is_refused_in_a_sentence() {
        let good = file(r#"{"path": "a.wav", "length": "9"}"#, b"RIFF");
        for (bytes, word) in [
            (good[..3].to_vec(), "breaks off within file 1"),
            (good[..20].to_vec(), "breaks off"),
            (good[..good.len() - 1].to_vec(), "breaks off"),
            (good[..good.len() - 6].to_vec(), "breaks off"),
            ([&good[..], b"\0\0\0"].concat(), "within file 2"),
            (b"\0\0\0\0".to_vec(), "its JSON has 0 bytes"),
            (b"\xFF\xFF\xFF\xFF".to_vec(), "its JSON has"),
            (b"GET / HTTP/1.1".to_vec(), "its JSON has"),
            (file("{}", b""), "not what belongs here"),
            (file("\"x\"", b""), "not what belongs here"),
            (file(r#"{"path": "a", "length": "-1"}"#, b""), "no number"),
            (
                file(r#"{"path": "a", "length": "3"}"#, b"1234"),
                "it has only 3",
            ),
            (
                file(r#"{"path": "a", "length": "99999999"}"#, &[0; HEAD_MAX + 1]),
                "at most 65536",
            ),
        ] {
            let said = read(&bytes, 5).unwrap_err();
            assert!(said.message.contains(word), "{said}");
            assert_eq!(said.kind, RefusalKind::BadRequest);
        }
        let one = file(r#"{"path": "a", "length": "99999999"}"#, &[0; HEAD_MAX]);
        let said = read(&one.repeat(FILES_MAX + 1), HEAD_MAX).unwrap_err();
        assert!(said.message.contains("several requests"), "{said}");
        assert_eq!(
            read(&one.repeat(FILES_MAX), HEAD_MAX).unwrap().len(),
            FILES_MAX
        );
        let long = format!(
            r#"{{"path": "{}", "length": "99999999"}}"#,
            "a".repeat(30_000)
        );
        let said = read(&file(&long, &[0; HEAD_MAX]).repeat(FILES_MAX), 1 << 20).unwrap_err();
        assert_eq!(said.kind, RefusalKind::TooLarge);
    }
}
