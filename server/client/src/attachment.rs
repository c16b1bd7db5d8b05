//! Files on their way to a client's disk: their name and their type in the headers of HTTP.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// What RFC 8187 leaves as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// RFC 6266: a name for every program, and the true one for those that know how to read it.
pub fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    let encoded = encoded(name);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// By the end of the name, which is all that we know for sure.
pub fn content_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    match end.to_ascii_lowercase().as_str() {
        "wav" | "bwf" | "rf64" => "audio/wav",
        "aif" | "aiff" | "aifc" => "audio/aiff",
        "flac" => "audio/flac",
        "mp3" => "audio/mpeg",
        "m4a" | "mp4" => "audio/mp4",
        "aac" => "audio/aac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "caf" => "audio/x-caf",
        "mid" | "midi" => "audio/midi",
        "txt" | "md" | "log" => "text/plain; charset=utf-8",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

/// A name as it stands in an address or in a header.
pub fn encoded(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_every_program() {
        assert_eq!(
            disposition("Kick \"in\" 100%.wav"),
            "attachment; filename=\"Kick _in_ 100_.wav\"; filename*=UTF-8''Kick%20%22in%22%20100%25.wav"
        );
        assert_eq!(
            disposition("Flöte.wav"),
            "attachment; filename=\"Fl_te.wav\"; filename*=UTF-8''Fl%C3%B6te.wav"
        );
        assert!(disposition("a\r\nb").is_ascii());
    }

    #[test]
    fn types_go_by_the_end_of_the_name() {
        assert_eq!(content_type("Kick.WAV"), "audio/wav");
        assert_eq!(content_type("a.wav.html"), "application/octet-stream");
        assert_eq!(content_type("wav"), "application/octet-stream");
    }
}
