//! The file name in `Content-Disposition` (RFC 6266), also in the form of RFC 8187. Pure; takes any
//! bytes.

use percent_encoding::percent_decode;

/// What is wrong with the header, as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not `type; name=value; name="value"`.
    Shape,
    /// The same parameter twice.
    Twice,
    /// `filename*` that is not a character set that we know, a language, and a name in it.
    Encoding,
    /// A name in bytes that are no UTF-8.
    NoText,
}

impl Malformed {
    /// The end of a sentence that begins with the header's name.
    #[must_use]
    pub fn say(self) -> &'static str {
        match self {
            Self::Shape => "cannot be read: send it like inline; filename=\"kick.wav\"",
            Self::Twice => "says the file's name twice: send it once",
            Self::Encoding => {
                "has a filename* that cannot be read: send it like filename*=UTF-8''gr%C3%B6%C3%9Fer.wav"
            }
            Self::NoText => "has a name that is not UTF-8: send it as filename*=UTF-8''...",
        }
    }
}

/// The name, if the header has one. `filename*` counts more than `filename`. The name is what was
/// sent: whether it may be a path of a session is for others to judge.
///
/// # Errors
/// [`Malformed`]
pub fn file_name(header: &[u8]) -> Result<Option<String>, Malformed> {
    let Names { plain, extended } = names(header)?;
    match (extended, plain) {
        (Some(extended), _) => decoded(&extended).map(Some),
        (None, Some(plain)) => text(plain).map(Some),
        (None, None) => Ok(None),
    }
}

/// The names that can be read, the one that counts most first: for who has to make do with a header as
/// it is.
#[must_use]
pub fn readable_names(header: &[u8]) -> Vec<String> {
    let Ok(Names { plain, extended }) = names(header) else {
        return Vec::new();
    };
    let extended = extended.and_then(|name| decoded(&name).ok());
    let plain = plain.and_then(|name| text(name).ok());
    extended.into_iter().chain(plain).collect()
}

/// Both forms of the name, as they stand in the header.
#[derive(Default)]
struct Names {
    plain: Option<Vec<u8>>,
    extended: Option<Vec<u8>>,
}

fn names(header: &[u8]) -> Result<Names, Malformed> {
    let mut rest = Rest(header);
    rest.space();
    rest.token().ok_or(Malformed::Shape)?;
    let mut names = Names::default();
    loop {
        rest.space();
        if rest.0.is_empty() {
            return Ok(names);
        }
        rest.byte(b';').ok_or(Malformed::Shape)?;
        rest.space();
        // A semicolon at the end means nothing.
        if rest.0.is_empty() {
            return Ok(names);
        }
        let name = rest.token().ok_or(Malformed::Shape)?;
        rest.space();
        rest.byte(b'=').ok_or(Malformed::Shape)?;
        rest.space();
        let value = rest.value().ok_or(Malformed::Shape)?;
        let place = match name.to_ascii_lowercase().as_slice() {
            b"filename" => &mut names.plain,
            b"filename*" => &mut names.extended,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(Malformed::Twice);
        }
    }
}

/// RFC 8187: character set, language, and the bytes with percent signs.
fn decoded(value: &[u8]) -> Result<String, Malformed> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (Some(set), Some(_language), Some(encoded)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed::Encoding);
    };
    let mut left = encoded.iter();
    while let Some(byte) = left.next() {
        let fits = match byte {
            b'%' => (0..2).all(|_| left.next().is_some_and(u8::is_ascii_hexdigit)),
            byte => is_token(*byte) && !matches!(byte, b'*' | b'\''),
        };
        if !fits {
            return Err(Malformed::Encoding);
        }
    }
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    if set.eq_ignore_ascii_case(b"utf-8") {
        String::from_utf8(bytes).map_err(|_| Malformed::Encoding)
    } else if set.eq_ignore_ascii_case(b"iso-8859-1") {
        Ok(bytes.into_iter().map(char::from).collect())
    } else {
        Err(Malformed::Encoding)
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Malformed> {
    String::from_utf8(bytes).map_err(|_| Malformed::NoText)
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What is left of the header.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == wanted).then(|| self.0 = rest)
    }

    fn token(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| !is_token(*byte));
        let (token, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        (!token.is_empty()).then(|| token.to_vec())
    }

    /// A token, or a string in quotes, which may hold anything but control characters.
    fn value(&mut self) -> Option<Vec<u8>> {
        if self.byte(b'"').is_none() {
            return self.token();
        }
        let mut value = Vec::new();
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            let byte = match first {
                b'"' => return Some(value),
                b'\\' => {
                    let (escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    escaped
                }
                byte => byte,
            };
            if byte.is_ascii_control() && *byte != b'\t' {
                return None;
            }
            value.push(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn name(header: &str) -> Result<Option<String>, Malformed> {
        file_name(header.as_bytes())
    }

    #[test]
    fn names_in_every_form() {
        let says = |header: &str, expected: &str| {
            assert_eq!(name(header), Ok(Some(expected.to_owned())), "{header}");
        };
        says("inline; filename=kick.wav", "kick.wav");
        says(
            "attachment;FileName = \"Kick 1.wav\" ; size=3",
            "Kick 1.wav",
        );
        says(r#"inline; filename="a \"b\" \\ c.wav""#, r#"a "b" \ c.wav"#);
        says("inline; filename=\"größer.wav\"", "größer.wav");
        says(
            "inline; filename*=UTF-8''gr%C3%B6%c3%9fer%20%27.wav",
            "größer '.wav",
        );
        says(
            "inline; filename*=iso-8859-1'de'gr%F6%DFer.wav;",
            "größer.wav",
        );
        let both = "inline; filename=\"gr__er.wav\"; filename*=utf-8'de'gr%C3%B6%C3%9Fer.wav";
        says(both, "größer.wav");
        says("inline; filename=\"Drums/kick.wav\"", "Drums/kick.wav");
        assert_eq!(name("attachment"), Ok(None));
        assert_eq!(name("form-data; name=\"x\""), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for header in [
            "",
            "; filename=a",
            "inline filename=a",
            "inline; filename",
            "inline; filename=",
            "inline; filename=\"a",
            "inline; filename=\"a\\",
            "inline; filename=a b",
            "inline; =a",
            "inline; filename=\"a\u{7}\"",
        ] {
            assert_eq!(name(header), Err(Malformed::Shape), "{header}");
        }
        for header in [
            "inline; filename*=kick.wav",
            "inline; filename*=UTF-8'kick.wav",
            "inline; filename*=koi8-r''%C1",
            "inline; filename*=UTF-8''%C3",
            "inline; filename*=UTF-8''a%2",
            "inline; filename*=UTF-8''a%zz",
            "inline; filename*=\"UTF-8''a b\"",
        ] {
            assert_eq!(name(header), Err(Malformed::Encoding), "{header}");
        }
        let twice = "inline; filename=a; filename=b";
        assert_eq!(name(twice), Err(Malformed::Twice));
        let bytes = b"inline; filename=\"gr\xf6\xdfer.wav\"";
        assert_eq!(file_name(bytes), Err(Malformed::NoText));
    }

    #[test]
    fn every_name_survives_the_way_here() {
        let mut seeded = StdRng::seed_from_u64(6266);
        for _ in 0..2_000 {
            let length = seeded.random_range(1..40);
            let sent: String = (0..length).map(|_| seeded.random::<char>()).collect();
            let header = crate::attachment::disposition(&sent);
            assert_eq!(name(&header), Ok(Some(sent)), "{header}");
        }
    }

    #[test]
    fn anything_can_be_asked() {
        let mut seeded = StdRng::seed_from_u64(8187);
        let pieces: [&[u8]; 14] = [
            b"inline",
            b";",
            b" ",
            b"filename",
            b"*",
            b"=",
            b"\"",
            b"\\",
            b"UTF-8",
            b"'",
            b"%",
            b"C3",
            b"\xff",
            b"\x01",
        ];
        for _ in 0..20_000 {
            let length = seeded.random_range(0..16);
            let header: Vec<u8> = (0..length)
                .flat_map(|_| pieces[seeded.random_range(0..pieces.len())])
                .copied()
                .collect();
            if let Err(why) = file_name(&header) {
                assert!(!why.say().is_empty());
            }
        }
    }
}
