//! The files of a bag beside `data/`, as RFC 8493 wants them; used by the server for a zip and by
//! the command line for a folder.

use aws_lc_rs::digest::{Context, SHA256, SHA512, digest};
use bytes::Bytes;

/// What makes a folder a bag.
pub const DECLARATION: &str = "bagit.txt";
/// What the bag is, in lines.
pub const INFO: &str = "bag-info.txt";

/// A file beside `data/`.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Its name.
    pub name: &'static str,
    /// What stands in it.
    pub bytes: Bytes,
}

/// The sums of a file of the payload, while its bytes pass.
#[derive(Clone)]
pub struct Summing {
    sha256: Context,
    sha512: Context,
}

/// The sums of a file of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    sha256: String,
    sha512: String,
}

impl Default for Summing {
    fn default() -> Self {
        Self {
            sha256: Context::new(&SHA256),
            sha512: Context::new(&SHA512),
        }
    }
}

impl Summing {
    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    /// Those were all.
    #[must_use]
    pub fn end(self) -> Sums {
        Sums {
            sha256: hex::encode(self.sha256.finish()),
            sha512: hex::encode(self.sha512.finish()),
        }
    }
}

impl Sums {
    /// As long as any, and of nothing: for reckoning how long a bag will be.
    #[must_use]
    pub fn of_nothing() -> Self {
        Summing::default().end()
    }
}

/// What is written once every file is there, in this order: the manifests of the payload, the rest,
/// the manifest of all of those, and the declaration.
#[must_use]
pub fn complete(payload: &[(&str, Sums)], tags: &[Tag]) -> Vec<Tag> {
    let manifest = |name, sum: fn(&Sums) -> &str| {
        let lines = payload.iter();
        let lines = lines.map(|(path, sums)| line(sum(sums), &format!("data/{path}")));
        Tag {
            name,
            bytes: lines.collect::<String>().into(),
        }
    };
    let mut all = vec![
        manifest("manifest-sha256.txt", |sums| &sums.sha256),
        manifest("manifest-sha512.txt", |sums| &sums.sha512),
    ];
    all.extend_from_slice(tags);
    let declaration = Tag {
        name: DECLARATION,
        bytes: Bytes::from_static(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"),
    };
    let listed = all.iter().chain([&declaration]);
    let listed = listed.map(|tag| line(&hex::encode(digest(&SHA256, &tag.bytes)), tag.name));
    let tag_manifest = Tag {
        name: "tagmanifest-sha256.txt",
        bytes: listed.collect::<String>().into(),
    };
    all.extend([tag_manifest, declaration]);
    all
}

/// A line of a manifest. Line breaks and percent signs in names are percent-encoded, and only those
/// (RFC 8493, 2.1.3).
fn line(sum: &str, path: &str) -> String {
    let path = path.replace('%', "%25");
    let path = path.replace('\r', "%0D").replace('\n', "%0A");
    format!("{sum}  {path}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_list_everything_and_the_declaration_comes_last() {
        let mut summing = Summing::default();
        summing.update(b"abc");
        let payload = [("a/50%\n.wav", summing.end()), ("b", Sums::of_nothing())];
        let info = Tag {
            name: INFO,
            bytes: Bytes::from_static(b"x"),
        };
        let all = complete(&payload, &[info]);
        let names: Vec<_> = all.iter().map(|tag| tag.name).collect();
        assert_eq!(
            names,
            [
                "manifest-sha256.txt",
                "manifest-sha512.txt",
                INFO,
                "tagmanifest-sha256.txt",
                DECLARATION
            ]
        );
        let text = |at: usize| std::str::from_utf8(&all[at].bytes).unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let first = format!("{abc}  data/a/50%25%0A.wav\n");
        assert!(text(0).starts_with(&first), "{}", text(0));
        assert!(text(1).lines().all(|line| line.find("  ") == Some(128)));
        assert_eq!(text(3).lines().count(), 4);
        assert!(text(3).contains("  bagit.txt\n"));
    }
}
